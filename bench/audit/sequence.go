package audit

// sequence is the view that a client has of a room.
type sequence struct {
	c     *checker
	one   *Client
	epoch string
	at    uint64 // the position
	in    bool   // the client is in the room
	known bool   // the client has been in the room
	asked uint64 // the position when the client asked for the newest publications
}

// checkClient checks the events of a client, room by room.
func (c *checker) checkClient(one *Client) {
	rooms, names := map[string]*sequence{}, []string{}
	for k := range one.Events {
		e := &one.Events[k]
		s := rooms[e.Room]
		if s == nil {
			s = &sequence{c: c, one: one}
			rooms[e.Room], names = s, append(names, e.Room)
		}
		if one.Plain {
			s.plain(e)
		} else {
			s.event(e)
		}
	}
	for _, room := range names {
		rooms[room].end(room)
	}
}

func (s *sequence) event(e *Event) {
	switch e.Kind {
	case Joined:
		s.joined(e)
	case Received:
		if !s.in {
			s.c.add("duplicate", e.Room, s.one.Name, "received %q at offset %d outside the room", e.ID, e.Offset)
			return
		}
		s.epoch, s.at = s.next(e, Seen{e.Offset, e.ID}, s.at)
	case Asked:
		s.asked = s.at
	case Read:
		s.read(e)
	case Left:
		s.in = false
	}
}

// joined handles a reply to subscribing.
func (s *sequence) joined(e *Event) {
	was := *s
	s.in, s.known = true, true
	if !e.Recovered {
		s.epoch, s.at, s.asked = e.Epoch, e.Offset, 0
		return
	}
	switch {
	case !was.known:
		s.c.add("gap", e.Room, s.one.Name, "recovered, and was never in the room")
	case e.Epoch != was.epoch:
		s.c.add("gap", e.Room, s.one.Name, "recovered from epoch %s to %s", was.epoch, e.Epoch)
	case e.Offset < was.at:
		s.c.add("stale", e.Room, s.one.Name, "recovered up to offset %d on node %d at %v, after it had seen %d", e.Offset, e.Node, e.At, was.at)
		return
	}
	for _, one := range e.Seen {
		_, s.at = s.next(e, one, s.at)
	}
	if missing := s.c.order(e.Room, e.Epoch).between(s.at, e.Offset+1); len(missing) > 0 {
		s.c.add("gap", e.Room, s.one.Name, "recovered up to offset %d on node %d at %v without %v", e.Offset, e.Node, e.At, missing)
	}
	s.epoch, s.at = e.Epoch, max(s.at, e.Offset)
}

// next checks that a publication is the one after the position, and returns the new position.
func (s *sequence) next(e *Event, one Seen, at uint64) (epoch string, to uint64) {
	switch missing := s.c.order(e.Room, e.Epoch).between(at, one.Offset); {
	case e.Epoch != s.epoch:
		s.c.add("gap", e.Room, s.one.Name, "received %q of epoch %s in epoch %s", one.ID, e.Epoch, s.epoch)
	case one.Offset <= at:
		s.c.add("duplicate", e.Room, s.one.Name, "received %q at offset %d on node %d at %v, after it had seen %d", one.ID, one.Offset, e.Node, e.At, at)
		return e.Epoch, at
	case len(missing) > 0:
		s.c.add("gap", e.Room, s.one.Name, "received %q at offset %d on node %d at %v without %v", one.ID, one.Offset, e.Node, e.At, missing)
	}
	return e.Epoch, one.Offset
}

// read handles a reply with the newest publications.
func (s *sequence) read(e *Event) {
	o := s.c.order(e.Room, e.Epoch)
	if e.Epoch == s.epoch && e.Offset < s.asked {
		s.c.add("stale", e.Room, s.one.Name, "read up to offset %d on node %d at %v, after it had seen %d", e.Offset, e.Node, e.At, s.asked)
	}
	last := uint64(0)
	for i, one := range e.Seen {
		if missing := o.between(last, one.Offset); i > 0 && (one.Offset <= last || len(missing) > 0) {
			s.c.add("gap", e.Room, s.one.Name, "read %q at offset %d after %d, without %v", one.ID, one.Offset, last, missing)
		}
		last = one.Offset
	}
	if missing := o.between(last, e.Offset+1); len(e.Seen) > 0 && len(missing) > 0 {
		s.c.add("stale", e.Room, s.one.Name, "read up to offset %d on node %d at %v without %v", e.Offset, e.Node, e.At, missing)
	}
}

// plain handles an event of a client without offsets: within a connection, it sees messages in the order of the log, each
// at most once.
func (s *sequence) plain(e *Event) {
	if e.Kind == Joined {
		s.at = 0
	}
	log := s.c.logs[e.Room]
	if e.Kind != Received || log == nil {
		return
	}
	offset, ok := s.c.offsetOf(log, e.ID)
	switch {
	case !ok:
		s.c.add("phantom", e.Room, s.one.Name, "received %q, which the log does not have", e.ID)
	case offset <= s.at:
		s.c.add("duplicate", e.Room, s.one.Name, "received %q at offset %d at %v, after it had seen %d", e.ID, offset, e.At, s.at)
	default:
		s.at = offset
	}
}

// offsetOf returns the first offset of a message in a log.
func (c *checker) offsetOf(log *Log, id string) (uint64, bool) {
	if c.byID == nil {
		c.byID = map[*Log]map[string]uint64{}
	}
	if c.byID[log] == nil {
		c.byID[log] = map[string]uint64{}
		for _, s := range log.Entries {
			if _, ok := c.byID[log][s.ID]; !ok {
				c.byID[log][s.ID] = s.Offset
			}
		}
	}
	offset, ok := c.byID[log][id]
	return offset, ok
}

// end checks that a client has everything at the end.
func (s *sequence) end(room string) {
	log := s.c.logs[room]
	if !s.one.Settled || s.one.Plain || !s.known || log == nil {
		return
	}
	last := s.c.order(room, log.Epoch).last()
	switch {
	case !s.in:
		s.c.add("behind", room, s.one.Name, "is not in the room at the end")
	case s.epoch != log.Epoch || s.at < last:
		s.c.add("behind", room, s.one.Name, "has %s/%d at the end, and the log %s/%d", s.epoch, s.at, log.Epoch, last)
	}
}
