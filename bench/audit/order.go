package audit

import (
	"fmt"
	"slices"
)

// order is the order of the publications of a room in one epoch: those of the log, and those that clients saw.
type order struct {
	ids     map[uint64]string // by offset
	seenBy  map[uint64]string // the first client that saw the offset
	logged  map[uint64]bool   // the log has it
	hasLog  bool
	offsets []uint64 // sorted
}

// order returns the order of a room in an epoch.
func (c *checker) order(room, epoch string) *order {
	o := c.orders[place{room, epoch}]
	if o == nil {
		o = &order{ids: map[uint64]string{}, seenBy: map[uint64]string{}, logged: map[uint64]bool{}}
		c.orders[place{room, epoch}] = o
	}
	return o
}

// put notes that somebody saw a publication.
func (c *checker) put(o *order, room, who string, s Seen, logged bool) {
	if is, ok := o.ids[s.Offset]; ok && is != s.ID {
		c.add("order", room, who, "saw %q at offset %d, and %s saw %q there", s.ID, s.Offset, o.seenBy[s.Offset], is)
		return
	} else if !ok {
		o.ids[s.Offset], o.seenBy[s.Offset] = s.ID, who
	}
	if logged {
		o.logged[s.Offset] = true
	}
}

// between returns the offsets after one and before another one.
func (o *order) between(after, before uint64) []uint64 {
	from, _ := slices.BinarySearch(o.offsets, after+1)
	to, _ := slices.BinarySearch(o.offsets, before)
	if from >= to {
		return nil
	}
	return o.offsets[from:to]
}

// last returns the highest offset; 0: there is none.
func (o *order) last() uint64 {
	if len(o.offsets) == 0 {
		return 0
	}
	return o.offsets[len(o.offsets)-1]
}

// message sums up the record of a message.
type message struct {
	room, client  string
	acked, undone bool // stored; an attempt has an unknown outcome, or none
	epoch         string
	offset        uint64
	places        []uint64 // in the log
}

// messages collects the messages of the run by their IDs. An attempt without an outcome is unknown.
func (c *checker) messages() map[string]*message {
	all := map[string]*message{}
	for i := range c.run.Clients {
		one := &c.run.Clients[i]
		open := map[string]int{} // attempts without an outcome
		for k := range one.Events {
			e := &one.Events[k]
			m := all[e.ID]
			if m == nil && e.Kind <= Unknown {
				m = &message{room: e.Room, client: one.Name}
				all[e.ID] = m
			}
			switch e.Kind {
			case Sent:
				open[e.ID]++
			case Acked:
				open[e.ID]--
				if m.acked && m.offset > 0 && e.Offset > 0 && m.offset != e.Offset {
					c.add("lost", e.Room, one.Name, "%q was acknowledged at offset %d, and again at %d", e.ID, m.offset, e.Offset)
				}
				m.acked, m.epoch, m.offset = true, e.Epoch, e.Offset
			case Refused:
				open[e.ID]--
			case Unknown:
				open[e.ID]--
				m.undone = true
			}
		}
		for id, n := range open {
			all[id].undone = all[id].undone || n > 0
		}
	}
	return all
}

// checkMessages checks the logs against the answers to senders.
func (c *checker) checkMessages() {
	all := c.messages()
	for room, log := range c.logs {
		for _, s := range log.Entries {
			m := all[s.ID]
			switch {
			case s.ID == "":
			case m == nil || m.room != room:
				c.add("unsent", room, "", "the log has %q at offset %d, which nobody sent there", s.ID, s.Offset)
			case !m.acked && !m.undone:
				c.add("unsent", room, m.client, "the log has %q at offset %d, which was refused", s.ID, s.Offset)
			default:
				m.places = append(m.places, s.Offset)
			}
		}
	}
	for id, m := range all {
		log := c.logs[m.room]
		switch {
		case log == nil:
			c.add("lost", m.room, m.client, "there is no log of the room of %q", id)
		case len(m.places) > 1:
			c.add("twice", m.room, m.client, "the log has %q at offsets %s", id, fmt.Sprint(m.places))
		case m.acked && len(m.places) == 0:
			c.add("lost", m.room, m.client, "%q was acknowledged, and the log does not have it", id)
		case m.acked && m.offset > 0 && (m.offset != m.places[0] || m.epoch != log.Epoch):
			c.add("lost", m.room, m.client, "%q was acknowledged at %s/%d, and is at %s/%d", id, m.epoch, m.offset, log.Epoch, m.places[0])
		}
	}
}
