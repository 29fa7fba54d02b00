package centrifuge

import (
	"slices"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/engine"
	"webim/room/internal/encode"
	"webim/room/wire"
)

// pendingSub is a subscription that is being made. It implements Joiner.
type pendingSub struct {
	room.PendingJoin
	w    *subscription
	s    *session
	done func(room.Recovery, error)
}

// subscribe makes the session a member of a room. It calls done once, perhaps before it returns. If there
// is no error, done is called under the room's lock, and frames that done pushes come before all frames
// of the room. subscribe returns nil if the session cannot join.
func (s *session) subscribe(w *subscription, done func(room.Recovery, error)) *room.Room {
	if w.since != nil && w.reply == nil {
		w.reply = s.d.hub.Meter().NewReply(&s.Usage)
		told := done
		done = func(o room.Recovery, err error) {
			defer w.reply.End()
			told(o, err)
		}
	}
	j := &pendingSub{w: w, s: s, done: done}
	j.PendingJoin = room.PendingJoin{Room: w.room, Options: w.opts, Conn: s.conn, Kind: room.SessionKind(s.enc, s.conn.Variant(), w.notices), Owner: &s.Principal,
		Server: w.server, Since: w.since, Strict: w.strict, Latch: w.latch, Reply: w.reply, Joiner: j}
	r, err := s.d.hub.StartJoin(&j.PendingJoin)
	if err != nil {
		done(room.Recovery{}, err)
	}
	return r
}

// Author implements Joiner.
func (j *pendingSub) Author() engine.Author {
	a := j.s.author()
	a.ChanInfo = j.w.info
	return a
}

// CanReserve implements Joiner.
func (j *pendingSub) CanReserve() error {
	j.s.mu.Lock()
	defer j.s.mu.Unlock()
	return j.s.canReserveLocked(j.w.room)
}

// Reserve implements Joiner.
func (j *pendingSub) Reserve(r *room.Room) error {
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.canReserveLocked(j.w.room); err != nil {
		return err
	}
	s.subs = append(s.subs, sub{room: r, pending: &j.PendingJoin, server: j.w.server, placed: j.w.placed, token: newSubToken(j.w)})
	return nil
}

// Check implements Joiner.
func (j *pendingSub) Check() error {
	s := j.s
	if err := s.d.hub.Judge().Admit(s.d.hub.Judge().SubjectOf(s), j.w.room); err != nil {
		return err
	}
	if s.ticketRevoked(j.w.id, j.w.issued) || !s.mayStay(j.w.room, membershipAt(j.w.room, j.w.server, newSubToken(j.w))) {
		return wire.ErrPermissionDenied // since it was judged
	}
	return nil
}

// Reply implements Joiner.
func (j *pendingSub) Reply(out room.Recovery, err error) { j.done(out, err) }

// Finish implements Joiner. It holds session.mu throughout: so the session can withdraw the join before
// Finish, or leave the room after it, and nothing in between.
func (j *pendingSub) Finish(err error) error {
	s := j.s
	s.mu.Lock()
	defer s.mu.Unlock()
	// The session may have left meanwhile and subscribed again: that is another pendingSub.
	i := slices.IndexFunc(s.subs, func(one sub) bool { return one.pending == &j.PendingJoin })
	if i < 0 && err == nil {
		err = wire.ErrInternal
	}
	if err != nil {
		if i >= 0 {
			s.subs = slices.Delete(s.subs, i, i+1)
		}
		if !j.HasReplied() {
			j.done(room.Recovery{}, err)
		} else if i >= 0 {
			s.disconnectLost() // its reply is no longer true
		}
		return err
	}
	one := &s.subs[i]
	m := j.TakeSlot(one.room)
	one.kind, one.slot, one.pending = m.Kind, m.Slot, nil
	if one.notices = j.w.opts.Notices; one.notices {
		s.d.hub.Notify(one.room.Name(), engine.Notice{Who: s.authorAs(one)})
	}
	return nil
}

// resultOf returns the part of a reply that a subscribe command and a subscription made by the server
// have in common.
func resultOf(o room.Recovery, positioned, asked bool, e wire.Encoding) *protocol.SubscribeResult {
	res := &protocol.SubscribeResult{Recovered: o.Recovered, WasRecovering: asked}
	if positioned {
		res.Recoverable, res.Positioned = true, true
		res.Epoch, res.Offset = o.At.Epoch, o.At.Offset
	}
	for _, p := range o.Missed {
		if pub, ok := encode.Protocol(&p, e); ok {
			res.Publications = append(res.Publications, pub)
		}
	}
	return res
}
