package centrifuge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrifugal/protocol"

	"webim/room"
	"webim/room/cost"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/judge"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// connecting is a connect command on its way to its reply. The steps are:
//
//	identify  verify the token, for which keys may have to be fetched, or ask the backend
//	join      join the rooms of the token, and the user's own room
//	reply     send one reply with the results; then the rooms give slots
//
// The first two may have to wait. Meanwhile netpoll does not read the connection, and the commands
// after the connect command wait.
type connecting struct {
	s       *session
	id      uint32
	req     *protocol.ConnectRequest
	who     *token.Identity
	data    protocol.Raw // of the reply
	latch   room.Latch
	carries *cost.Reply // for the recovered publications of the rooms

	mu   sync.Mutex
	left int // rooms that are not joined yet
	subs map[string]*protocol.SubscribeResult
	err  error

	rooms []*room.Room // their joins wait for the reply

	state   atomic.Int32 // see connect
	release func()
}

// States of a connecting.
const (
	underWay int32 = iota
	settled        // the result is known
	held           // the connection waits for the result
)

// resolved notes that the result of the connect command is known.
func (k *connecting) resolved() {
	if !k.state.CompareAndSwap(underWay, settled) {
		k.s.d.hub.Post(k.resume)
	}
}

// resume sends the reply, and makes netpoll read the connection again.
func (k *connecting) resume() {
	s := k.s
	o := takeOut(s)
	defer k.release()
	defer o.give()
	err := k.reply(o)
	s.awaited.Add(-1)
	s.refused(o, &protocol.Command{Id: k.id}, err)
}

// join joins the rooms that the token names.
func (k *connecting) join() {
	s := k.s
	s.Identify(k.who)
	s.SetPayer(cost.PayerOf(k.who.User, identity.AddressOf(s.conn)))
	k.left = 1 // this loop
	if err := k.count(); err != nil {
		k.joined("", nil, err)
		return
	}
	k.carries = s.d.hub.Meter().NewReply(&s.Usage)
	if err := s.d.hub.Judge().Admit(s.d.hub.Judge().SubjectOf(s), ""); err != nil {
		k.joined("", nil, err)
		return
	}
	for _, c := range s.channels(k.who) {
		opts := s.d.hub.Options(c.Name).With(policy.OverrideOf(c.Override))
		w := &subscription{room: c.Name, opts: opts, server: true, info: c.Info, latch: &k.latch, reply: k.carries}
		w.placed = w.opts.Recoverable
		w.notices = w.opts.ForceNotices
		if asked := k.req.Subs[c.Name]; asked != nil && asked.Recover && !s.conn.Lost() {
			w.since = &engine.Position{Epoch: asked.Epoch, Offset: asked.Offset}
		}
		k.mu.Lock()
		k.left++
		k.mu.Unlock()
		if err := wire.Admit(s.enc, opts.Binary); err != nil {
			k.joined(c.Name, nil, err)
			continue
		}
		r := s.subscribe(w, func(got room.Recovery, err error) {
			res := resultOf(got, w.placed, w.since != nil, s.enc)
			res.Data = protocol.Raw(c.Data)
			k.joined(c.Name, res, err)
		})
		if r != nil {
			k.rooms = append(k.rooms, r)
		}
	}
	k.joined("", nil, nil)
}

// count counts the connection among those of its user, and charges the command to the user.
func (k *connecting) count() error {
	if err := k.s.countConnection(); err != nil {
		return err
	}
	return k.s.d.hub.Meter().AllowUser(&k.s.Usage, policy.ClassRPC)
}

// joined notes the outcome for one room; after the last one the command is resolved.
func (k *connecting) joined(name string, res *protocol.SubscribeResult, err error) {
	k.mu.Lock()
	k.left--
	last := k.left == 0
	switch {
	case err == judge.ErrStateOld:
		k.err = err
	case name != "" && name == policy.PersonalRoom(k.who.User) && err != nil: // an extra: it must not fail the connect command
	case err == wire.ErrBanned: // since the list was made; a ban everywhere is found by Register
	case err != nil:
		k.err = err
	case res != nil:
		if k.subs == nil {
			k.subs = map[string]*protocol.SubscribeResult{}
		}
		k.subs[name] = res
	}
	k.mu.Unlock()
	if last {
		k.resolved()
	}
}

// reply sends the reply, and opens the latch, so that the rooms give slots.
func (k *connecting) reply(o *out) error {
	s := k.s
	defer k.openLatch()
	if k.carries != nil {
		defer k.carries.End()
	}
	if k.err != nil {
		s.leaveAll() // it may be in some of the rooms
		s.d.hub.Meter().UncountConnection(&s.Usage)
		return k.err
	}
	if err := s.d.hub.Control().Register(s); err != nil {
		s.close()
		return err
	}
	s.d.hub.Shares().Adopt(k.who.User)
	if len(k.subs) > 0 {
		s.d.hub.Post(s.leaveBanned) // since they were joined; from now on a ban finds it
	}
	s.conn.SetHeartbeat(s.d.beats[s.enc])
	s.expireBy(k.who.Expires)
	res := &protocol.ConnectResult{Client: s.ClientID(), Version: s.cfg().Version, Subs: k.subs, Data: k.data}
	res.Expires, res.Ttl = ttlOf(k.who.Expires, s.refreshedByServer())
	if every := s.cfg().PingInterval; every > 0 {
		res.Ping, res.Pong = seconds(every), s.cfg().PongTimeout > 0
	}
	o.reply(&protocol.Reply{Id: k.id, Connect: res})
	o.flush()
	s.conn.Restrict(false)
	s.d.early.connected(s)
	return nil
}

// openLatch makes the rooms finish the joins of the command.
func (k *connecting) openLatch() {
	k.latch.Open()
	for _, r := range k.rooms {
		r.ResumeJoins()
	}
}

// seconds returns a duration in the unit of the protocol, rounded up.
func seconds(d time.Duration) uint32 { return uint32((d + time.Second - 1) / time.Second) }
