package netpoll

import (
	"time"

	"webim/netpoll/internal/frame"
)

// Cost is what a client made the server do since the handler's Meter was told
// last: the work of reading, not what the handler did with the messages.
type Cost struct {
	Bytes    int // read from the socket, headers of frames included; with TLS after decryption, and what TLS brings without data many times over
	Inflated int // what compressed messages became
	Frames   int // frames and fragments, control frames too; one that comes in pieces counts once for each
	Controls int // pings, and pongs that answer no ping of the server's
}

// Meter, if a Handler has it, is told of the cost of a connection's input. It runs
// on the connection's turn, as Message does: once for what one read brought, and
// once more behind each message that was compressed. A pong that answers a ping costs
// nothing, so an idle connection is never metered. It is also asked, with a zero Cost,
// before a compressed message is inflated and when a rest has ended.
type Meter interface {
	Spend(c Conn, cost Cost) Verdict
}

// Verdict is what a Meter decides about a connection. The zero value is to go on.
type Verdict struct {
	// Rest is how long the connection is not read: the kernel's buffer fills, then
	// the client's. Then the Meter is asked again. The resolution is 100 ms.
	Rest time.Duration
	// Background makes the connection's turns wait for those of all others, and
	// run on half of the workers at most, until a later Verdict says otherwise.
	Background bool
	// LargeBehind makes a message of more than 64 KiB, inflated, wait there by itself.
	LargeBehind bool
}

// meterOf is the handler's Meter, or nil.
func (s *Server) meterOf(r *record) Meter {
	m, _ := s.handlerOf(r).(Meter)
	return m
}

// ate counts what a step of the decoder has eaten: a frame, or a piece of one.
func (w *worker) ate(n int) {
	w.cost.Bytes += n
	w.cost.Frames++
}

// Yield, called in Handler.Message, ends the connection's turn when Message returns, as
// a message does that took long: what the client has sent behind it waits for the turns
// of others. The Meter is asked before that, so it may put the connection into the
// background. With Again, whose done may be called at once, the message itself is
// continued in the next turn.
func (c Conn) Yield() {
	if c.Exists() {
		c.r.flags.Or(fYield)
	}
}

// Spent, called in Handler.Message, says that the message takes as long as so many more
// small ones, of which a turn handles 256. It reports whether the turn has no time left:
// then a handler that has handled only a part of its message calls Yield, and Again for
// the rest. It is for Message only.
func (c Conn) Spent(messages int) (over bool) {
	n := c.r.turn.Load() >> turnShift
	if n == 0 || !c.Exists() {
		return false
	}
	w := c.s.runners[n-1]
	w.left -= messages
	return w.left <= 0
}

// weigh decides whether the connection is heavy: whether its next turn waits for those of
// the connections that are not. It is when its turn has ended before its input has
// (more), and until a turn handles all that has come; a turn that was resumed, that is,
// had input of an earlier one, does not end it.
func (s *Server) weigh(r *record, more, resumed bool) {
	switch f := r.flags.Load(); {
	case more && f&fHeavy == 0:
		r.flags.Or(fHeavy)
	case !more && !resumed && f&fHeavy != 0:
		r.flags.And(^fHeavy)
	}
}

// mustYield reports whether the turn must end because the handler said so, or because
// its connection has been put into the background meanwhile: the rest of its input waits
// with the others there.
func (w *worker) mustYield(r *record) bool {
	f := r.flags.Load()
	return f&fYield != 0 || !w.back && f&fBackground != 0
}

// charge tells the Meter what there is to tell, and does what it decides.
func (s *Server) charge(w *worker, r *record) (v Verdict) {
	cost := w.cost
	w.cost = Cost{}
	if w.meter != nil {
		v = s.spend(w.meter, r, cost)
		s.obey(r, v)
	}
	return v
}

// chargeRest tells the Meter what it has not been told yet. If there is nothing, the
// Meter is not asked, so a message that keepBehind has kept stays behind.
func (s *Server) chargeRest(w *worker, r *record) {
	if w.cost != (Cost{}) {
		s.charge(w, r)
	}
}

// keepBehind keeps a large message for a turn in the background.
func (w *worker) keepBehind(r *record, ev frame.Event) {
	r.flags.Or(fBackground)
	w.keepEvent(ev, false)
}

func (s *Server) spend(m Meter, r *record, cost Cost) (v Verdict) {
	defer s.recovered(r, "Spend")
	return m.Spend(s.conn(r), cost)
}

// obey does what a Verdict says. Only the turn's holder calls it.
func (s *Server) obey(r *record, v Verdict) {
	if f := r.flags.Load(); v.Background != (f&fBackground != 0) {
		if v.Background {
			r.flags.Or(fBackground)
		} else {
			r.flags.And(^fBackground)
		}
	}
	switch {
	case v.Rest <= 0:
		return
	case r.flags.Load()&fClosing != 0:
		r.flags.Or(fLast) // nobody waits longer for its Close frame
		s.wake(r)
		return
	}
	until := s.clock.Look() + max(1, s.clock.Ticks(v.Rest))
	r.mu.Lock()
	s.extraLocked(r).rest = until
	r.mu.Unlock()
	r.flags.Or(fResting)
	s.stats.rests.Add(1)
	s.armBy(r, until)
}

// judgeRest ends a rest that is over, unless the Meter wants another one; it says
// when to look again (0: no need).
func (s *Server) judgeRest(r *record, now, f uint32) uint32 {
	if f&fResting == 0 {
		return 0
	}
	r.mu.Lock()
	until := s.extraLocked(r).rest
	r.mu.Unlock()
	if int32(now-until) < 0 {
		return until
	}
	r.flags.And(^fResting)
	if m := s.meterOf(r); m != nil && f&fHangup == 0 { // only reading tells whether the client is gone
		s.obey(r, s.spend(m, r, Cost{}))
	}
	if r.flags.Load()&fResting == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.extraLocked(r).rest
}

// Restrict bounds the connection's messages by Config.MaxRestricted instead of
// MaxMessage, or ends that: a client that has not said yet who it is needs no large
// messages. It is for the connection's callbacks.
func (c Conn) Restrict(on bool) {
	if !c.lock() {
		return
	}
	defer c.r.mu.Unlock()
	if on {
		c.r.flags.Or(fRestricted)
	} else {
		c.r.flags.And(^fRestricted)
	}
}

// maxMessageOf is the most bytes that a message of the connection may have.
func (s *Server) maxMessageOf(r *record) int {
	if r.flags.Load()&fRestricted != 0 {
		return min(s.cfg.MaxRestricted, s.cfg.MaxMessage)
	}
	return s.cfg.MaxMessage
}

// AnswerPing reports whether a ping of the heartbeat is out that nothing has answered
// yet, and notes that it is answered now. A handler whose heartbeat is a message of its
// own tells by it a pong from a message that nobody asked for. It is for the
// connection's callbacks.
func (c Conn) AnswerPing() bool {
	return c.Exists() && c.s.answered(c.r)
}

// answered is AnswerPing on the connection's turn.
func (s *Server) answered(r *record) bool {
	return r.flags.Load()&fPinged != 0 && r.flags.And(^fPinged)&fPinged != 0
}
