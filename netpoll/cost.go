package netpoll

import (
	"webim/netpoll/internal/flight"
	"webim/netpoll/internal/frame"
)

// largeMessage is the size of a message that takes a worker a millisecond or more, by the work that
// a handler may do with its bytes; see Treatment.LargeBehind.
const largeMessage = 64 << 10

// readBudget is how many bytes a turn reads from the socket before it ends, and
// messageBudget how many messages it hands to the handler; a compressed one counts
// once more for each inflateWork bytes that it becomes, which may be a thousand times
// what was read, and any message as the handler says (Conn.Spent). What the client has
// sent beyond that waits for the turns of others; see record.weigh.
const (
	readBudget    = 4 * readSize
	messageBudget = 256
	inflateWork   = 4 << 10
)

// meterOf returns the Meter of the connection's handler, or nil.
func (s *Server) meterOf(r *record) Meter {
	m, _ := s.handlerOf(r).(Meter)
	return m
}

// countRead counts n bytes that one step of the decoder has used: a frame, or a piece of one.
func (w *worker) countRead(n int) {
	w.cost.Bytes += n
	w.cost.Frames++
}

// Yield, called in Handler.Message, ends the connection's turn when Message returns. It is for
// messages that took long: the messages behind it wait for the turns of other connections. The
// Meter is asked before that, so it may put the connection into the background. With Again,
// even if done is called at once, the message itself is continued in the next turn.
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
	if !c.Exists() {
		return false
	}
	w := c.s.workerOf(c.r)
	if w == nil {
		return false
	}
	w.left -= messages
	return w.left <= 0
}

// weigh decides whether the connection is heavy: whether its next turn waits for those of
// the connections that are not. It is when its turn has ended before its input has
// (more), and until a turn handles all that has come; a turn that was resumed, that is,
// had input of an earlier one, does not end it.
func (r *record) weigh(more, resumed bool) {
	switch f := r.flags.Load(); {
	case more && f&fHeavy == 0:
		r.flags.Or(fHeavy)
	case !more && !resumed && f&fHeavy != 0:
		r.flags.And(^fHeavy)
	}
}

// turnMustEnd reports whether the turn must end because the handler called Yield, or because the
// connection was put into the background on this turn. Then the rest of its input waits there.
func (w *worker) turnMustEnd(r *record) bool {
	f := r.flags.Load()
	return f&fYield != 0 || !w.InBackground() && f&fBackground != 0
}

// charge tells the Meter the cost so far, and applies its Treatment.
func (s *Server) charge(w *worker, r *record) (v Treatment) {
	cost := w.cost
	w.cost = Cost{}
	if w.meter != nil {
		v = s.spend(w.meter, r, cost)
		s.apply(r, v)
	}
	return v
}

// chargeOutstanding is charge if there is any cost. Otherwise the Meter is not asked, so a message
// that keepBehind has kept stays in the background.
func (s *Server) chargeOutstanding(w *worker, r *record) {
	if w.cost != (Cost{}) {
		s.charge(w, r)
	}
}

// keepBehind keeps a large message for a turn in the background.
func (w *worker) keepBehind(r *record, ev frame.Event) {
	r.flags.Or(fBackground)
	w.keepEvent(ev, false)
}

func (s *Server) spend(m Meter, r *record, cost Cost) (v Treatment) {
	defer s.recovered(r, "Spend")
	return m.Spend(s.conn(r), cost)
}

// apply applies a Treatment. Only the holder of the turn calls it.
func (s *Server) apply(r *record, v Treatment) {
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
		r.flags.Or(fLast) // the server stops waiting for its Close frame
		s.wake(r)
		return
	}
	until := s.clock.Look() + max(1, s.clock.Ticks(v.Rest))
	r.mu.Lock()
	s.extraLocked(r).rest = until
	r.mu.Unlock()
	r.flags.Or(fResting)
	s.stats.rests.Add(1)
	s.note(r, flight.Event{Kind: uint8(EventRest), Count: 1})
	s.armBy(r, until)
}

// checkRest ends a rest that is over, unless the Meter wants another one. It returns the tick of
// the next check; 0 means none is needed.
func (s *Server) checkRest(r *record, now, f uint32) uint32 {
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
	if m := s.meterOf(r); m != nil && f&fHangup == 0 { // after a hang-up, only reading shows whether the client is gone
		s.apply(r, s.spend(m, r, Cost{}))
	}
	if r.flags.Load()&fResting == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return s.extraLocked(r).rest
}

// Restrict makes Config.MaxRestricted the limit of the connection's messages instead of MaxMessage,
// or ends that. A client that has not authenticated needs no large messages. Call it from the
// connection's callbacks.
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

// maxMessageOf returns the size limit of the connection's messages.
func (s *Server) maxMessageOf(r *record) int {
	cfg := s.cfg()
	if r.flags.Load()&fRestricted != 0 {
		return min(cfg.MaxRestricted, cfg.MaxMessage)
	}
	return cfg.MaxMessage
}

// AnswerPing reports whether a ping of the heartbeat has not been answered yet, and marks it as
// answered. A handler with a heartbeat message of its own uses it to tell an answer from a message
// that nobody asked for. Call it from the connection's callbacks.
func (c Conn) AnswerPing() bool {
	return c.Exists() && c.s.answered(c.r)
}

// answered is AnswerPing on the connection's turn. It measures the round trip.
func (s *Server) answered(r *record) bool {
	if r.flags.Load()&fPinged == 0 || r.flags.And(^fPinged)&fPinged == 0 {
		return false
	}
	s.noteRoundTrip(r)
	return true
}
