package wheel

// Most of the cost of an idle client is not its ping. It is the wake-up of a thread for the ping,
// and another one for the answer. So the pings of a second are sent together, and if the answer
// of a connection has arrived by the time of the check, the connection needs no turn.

// groupSize is the number of records side by side that are pinged at the same tick. Their memory
// lies side by side too, here and in the kernel, and fetching it is most of the cost of a heartbeat.
// Compared with a random tick for each record it saved a tenth.
const groupSize = 64

// Schedule says when a connection gets heartbeats. All its fields are in ticks.
type Schedule struct {
	Interval uint32 // between heartbeats; 0: none are sent
	Grain    uint32 // heartbeats are sent at multiples of it
	Timeout  uint32 // for the answer; 0: none is expected
	// Fixed sends a heartbeat every Interval whatever else flows. Without it, one is sent when the
	// client has been silent for an Interval.
	Fixed bool
}

// Every makes a schedule of heartbeats at about an interval: rounded down to a multiple of the
// grain, which is some 4 % of it and an idle tick at most.
func Every(interval, timeout uint32, fixed bool) Schedule {
	grain := min(max(1, interval/25), idleTicks)
	return Schedule{Interval: align(interval, grain), Grain: grain, Timeout: timeout, Fixed: fixed}
}

// align rounds a tick down to a multiple of the grain.
func align(tick, grain uint32) uint32 { return tick - tick%grain }

// First returns the first tick after from at which the record with the number i is pinged. Each ping
// group has its own phase in the interval, so that clients which connect together are spread evenly.
func (s *Schedule) First(i, from uint32) uint32 {
	phase := i / groupSize * s.Grain % s.Interval
	return align(from+s.Interval-(from+s.Interval-phase)%s.Interval, s.Grain)
}

// Peer is the state of a connection that Decide needs.
type Peer struct {
	Now      uint32 // tick
	Seen     uint32 // tick of the last byte received
	Sent     uint32 // tick of the last heartbeat
	First    bool   // it has had no heartbeat yet: the first one is sent whatever the traffic
	Pinged   bool   // a heartbeat was sent that was not known to be answered
	Unread   bool   // the server does not read it, or its socket takes no output
	Readable bool   // it may have sent bytes that the server has not read yet
}

// unanswered reports whether nothing has come since the last heartbeat.
func (p *Peer) unanswered() bool { return p.Pinged && int32(p.Seen-p.Sent) < 0 }

// Action is the result of Decide.
type Action uint8

// The actions.
const (
	Never  Action = iota // the schedule sends no heartbeats
	Wait                 // decide again at Decision.At
	Answer               // as Wait; the last heartbeat still waits for its answer
	Send                 // a heartbeat is due
	Late                 // the answer is late: the client is gone
)

// Decision says which action is due, and when to decide again.
type Decision struct {
	Action Action
	At     uint32 // tick; with Wait and Answer
}

// Decide decides whether a heartbeat is due for a connection, or the answer to one is late. It is a
// pure function. After Wait and Send the caller forgets Pinged.
func (s *Schedule) Decide(p Peer) Decision {
	switch {
	case s.Interval == 0:
		return Decision{Action: Never}
	case p.Unread && !s.Fixed:
		// The server cannot see an answer that it does not read, and a ping would wait behind the
		// output that the socket refuses. The write timeout closes such a connection.
		return Decision{Wait, p.Now + s.Interval}
	case !p.Unread && p.unanswered():
		return s.decideUnanswered(p)
	}
	due := align(p.Seen+s.Interval, s.Grain)
	if s.Fixed {
		due = align(p.Sent+s.Interval, s.Grain)
	}
	if !p.First && int32(p.Now-due) < 0 {
		return Decision{Wait, due}
	}
	return Decision{Action: Send}
}

func (s *Schedule) decideUnanswered(p Peer) Decision {
	late := p.Sent + s.Timeout
	switch {
	case int32(p.Now-late) < 0 && s.Fixed:
		return Decision{Answer, late}
	case int32(p.Now-late) < 0:
		// The answer may come long before that, and then the next ping may be due.
		return Decision{Answer, p.Now + min(s.Interval, late-p.Now)}
	case p.Readable:
		return Decision{Answer, p.Now + 1} // the answer may be among the bytes that are not read yet
	}
	return Decision{Action: Late}
}

// AfterSend returns the tick at which to decide again after Send. ok says that the heartbeat could
// be sent.
func (s *Schedule) AfterSend(now uint32, ok bool) uint32 {
	switch {
	case s.Fixed && (!ok || s.Timeout == 0):
		return align(now+s.Interval, s.Grain)
	case s.Fixed:
		return now + s.Timeout
	case !ok:
		return now + s.Interval
	}
	return now + min(s.Interval, s.Timeout)
}
