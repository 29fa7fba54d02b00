package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// checker collects the violations of a run.
type checker struct {
	run    *Run
	orders map[place]*order
	logs   map[string]*Log            // the first log of each room
	byID   map[*Log]map[string]uint64 // offsets of messages, see offsetOf
	found  []Violation
}

// place names the life of a room.
type place struct{ room, epoch string }

// Check returns all violations in the record of a run, sorted by rule, room and client.
func Check(run *Run) []Violation {
	c := &checker{run: run, orders: map[place]*order{}, logs: map[string]*Log{}}
	c.readLogs()
	c.readClients()
	c.checkPhantoms()
	c.checkMessages()
	for i := range run.Clients {
		c.checkClient(&run.Clients[i])
	}
	c.checkBans()
	slices.SortFunc(c.found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Room, b.Room), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Text, b.Text))
	})
	return c.found
}

func (c *checker) add(rule, room, client, format string, args ...any) {
	c.found = append(c.found, Violation{rule, room, client, fmt.Sprintf(format, args...)})
}

// readLogs takes the order of each room from the logs, and compares the nodes.
func (c *checker) readLogs() {
	for i := range c.run.Logs {
		log := &c.run.Logs[i]
		who := fmt.Sprint("node ", log.Node)
		first := c.logs[log.Room]
		if first == nil {
			c.logs[log.Room] = log
			o := c.order(log.Room, log.Epoch)
			o.hasLog = true
			for k, one := range log.Entries {
				if k > 0 && one.Offset <= log.Entries[k-1].Offset {
					c.add("order", log.Room, who, "the log has offset %d after %d", one.Offset, log.Entries[k-1].Offset)
				}
				c.put(o, log.Room, who, one, true)
			}
			continue
		}
		if first.Epoch != log.Epoch {
			c.add("order", log.Room, who, "epoch %s, and node %d has %s", log.Epoch, first.Node, first.Epoch)
		}
		if !slices.Equal(first.Entries, log.Entries) {
			c.add("order", log.Room, who, "the log differs from that of node %d: %s", first.Node, difference(first.Entries, log.Entries))
		}
	}
}

// difference describes the first place at which two logs differ.
func difference(a, b []Seen) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%d %q there, %d %q here", a[i].Offset, a[i].ID, b[i].Offset, b[i].ID)
		}
	}
	return fmt.Sprintf("%d entries there, %d here", len(a), len(b))
}

// readClients adds the publications that clients saw to the orders.
func (c *checker) readClients() {
	for i := range c.run.Clients {
		one := &c.run.Clients[i]
		for k := range one.Events {
			e := &one.Events[k]
			o := c.order(e.Room, e.Epoch)
			for _, s := range e.Seen {
				c.put(o, e.Room, one.Name, s, false)
			}
			if e.Kind == Received && !one.Plain {
				c.put(o, e.Room, one.Name, Seen{e.Offset, e.ID}, false)
			}
		}
	}
	for _, o := range c.orders {
		o.offsets = slices.Sorted(maps.Keys(o.ids))
	}
}

// checkPhantoms checks that the log has every publication that a client received.
func (c *checker) checkPhantoms() {
	for at, o := range c.orders {
		for _, offset := range o.offsets {
			if o.hasLog && !o.logged[offset] {
				c.add("phantom", at.room, o.seenBy[offset], "received %q at offset %d, which the log does not have", o.ids[offset], offset)
			}
		}
	}
}

// checkBans checks that bans hold after the bound.
func (c *checker) checkBans() {
	for _, ban := range c.run.Bans {
		for i := range c.run.Clients {
			one := &c.run.Clients[i]
			if one.User != ban.User {
				continue
			}
			for k := range one.Events {
				e := &one.Events[k]
				if (e.Kind == Received || e.Kind == Joined || e.Kind == Read) && e.At > ban.At+c.run.Bound {
					c.add("banned", e.Room, one.Name, "%s %q %v after the ban of user %s", e.Kind, e.ID, e.At-ban.At, ban.User)
					break
				}
			}
		}
	}
}
