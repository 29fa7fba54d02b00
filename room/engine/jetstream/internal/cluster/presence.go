package cluster

import (
	"cmp"
	"errors"
	"fmt"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/internal/told"
)

// Members is that of engine.Control.
func (c *Cluster) Members(room string, limit int, done func([]engine.Author, error)) {
	if limit < 0 {
		done(nil, engine.ErrTooManyMembers)
		return
	}
	c.list(room, limit, false, func(lists []told.List, err error) {
		all, err := c.merge(lists, err, room, limit)
		if err != nil {
			all = nil
		}
		done(all, err)
	})
}

// list asks the other nodes for the members of a room, and calls end with the lists that are complete. The error is that of
// the first node without one. The room is told the difference if compare is true.
func (c *Cluster) list(room string, limit int, compare bool, end func([]told.List, error)) {
	here := len(c.cfg.Subscribers(room)) > 0
	if here {
		c.told.Ask(room)
	}
	c.ask(subjectAsk, frames.Members, frames.AppendRoom(nil, room, limit), false, func(r result) {
		lists, err := r.lists()
		if here {
			c.told.Listed(room, lists, err == nil, compare)
		}
		end(lists, err)
	})
}

// lists decodes the lists in the answers.
func (r *result) lists() (all []told.List, err error) {
	if err = r.missing(); errors.Is(err, errLarge) {
		err = fmt.Errorf("%w: the list has more than %d bytes", engine.ErrTooManyMembers, maxAnswer)
	}
	for _, a := range r.answers {
		if a.refused != "" {
			continue
		}
		l, bad := frames.DecodeListed(a.body)
		switch {
		case bad != nil:
			err = cmp.Or(err, fmt.Errorf("cluster: node %s: %w", a.from, bad))
		case !l.Whole:
			err = cmp.Or(err, engine.ErrTooManyMembers)
		default:
			all = append(all, told.List{Node: a.from, All: l.All})
		}
	}
	return all, err
}

// merge merges the members on the other nodes and those on this one.
func (c *Cluster) merge(lists []told.List, err error, room string, limit int) (all []engine.Author, _ error) {
	if err != nil {
		return nil, err
	}
	for _, l := range lists {
		if all = append(all, l.All...); len(all) > limit {
			return nil, engine.ErrTooManyMembers
		}
	}
	here, _, whole := c.membersHere(room, limit-len(all))
	if !whole {
		return nil, engine.ErrTooManyMembers
	}
	return append(all, here...), nil
}

// membersHere lists the members of a room on this node, if there are at most limit.
func (c *Cluster) membersHere(room string, limit int) (all []engine.Author, clients int, whole bool) {
	for _, s := range c.cfg.Subscribers(room) {
		some, n := s.Members(limit - clients)
		if clients += n; clients > limit {
			return nil, clients, false
		}
		all = append(all, some...)
	}
	return all, clients, true
}

// count is a result of Count.
type count struct {
	clients, users int
	estimated      bool // users is an estimate
	err            error
}

// maxWaiting is how many callers may wait for the count of one room.
const maxWaiting = 1 << 14

// Count is that of engine.Control. Callers that ask for the same room at the same time share one question.
// Once the users of a room have to be estimated, its count is kept for keepCounts.
func (c *Cluster) Count(room string, done func(clients, users int, err error)) {
	if n, ok := c.counts.get(room); ok {
		done(n.clients, n.users, nil)
		return
	}
	c.mu.Lock()
	all := c.waiting[room]
	if len(all) >= maxWaiting {
		c.mu.Unlock()
		done(0, 0, errBusy)
		return
	}
	c.waiting[room] = append(all, func(n count) { done(n.clients, n.users, n.err) })
	c.mu.Unlock()
	if len(all) > 0 {
		return
	}
	c.ask(subjectAsk, frames.Count, frames.AppendRoom(nil, room, 0), false, func(r result) {
		n := c.sum(r, room)
		if n.err == nil && n.estimated {
			c.counts.put(room, n)
		}
		c.mu.Lock()
		all := c.waiting[room]
		delete(c.waiting, room)
		c.mu.Unlock()
		for _, done := range all {
			done(n)
		}
	})
}

// sum adds the counts on the other nodes and the one on this node. It compares the names of users only if
// the room has members on several nodes, or in several hubs.
func (c *Cluster) sum(r result, room string) (n count) {
	if n.err = r.missing(); n.err != nil {
		return count{err: n.err}
	}
	var others []frames.Counted
	for _, a := range r.answers {
		one, err := frames.DecodeCounted(a.body)
		if err != nil {
			return count{err: fmt.Errorf("cluster: node %s: %w", a.from, err)}
		}
		if one.Clients > 0 {
			others = append(others, one)
		}
	}
	here := c.cfg.Subscribers(room)
	switch {
	case len(others) == 0 && len(here) == 0:
		return count{}
	case len(others) == 0 && len(here) == 1:
		n.clients, n.users = here[0].Count(nil)
		return n
	case len(others) == 1 && len(here) == 0:
		return count{clients: others[0].Clients, users: others[0].Users}
	}
	if len(here) > 0 {
		one, err := frames.DecodeCounted(c.countFor(room))
		if err != nil {
			return count{err: err}
		}
		others = append(others, one)
	}
	return union(others)
}

// union adds counts of different nodes.
func union(all []frames.Counted) (n count) {
	var users userSet
	most, total := 0, 0
	for _, one := range all {
		n.clients += one.Clients
		most, total = max(most, one.Users), total+one.Users
		if err := users.merge(one.Named); err != nil {
			return count{err: err}
		}
	}
	n.users, n.estimated = users.count()
	n.users = min(max(n.users, most), total)
	return n
}

// countFor returns the body of the answer to Count. The users of a large room, which are a sketch, are kept
// for keepCounts, because all members have to be visited for it.
func (c *Cluster) countFor(room string) []byte {
	var users userSet
	var sum frames.Counted
	kept, ok := c.sketches.get(room)
	subs := c.cfg.Subscribers(room)
	named := users.add
	if ok && len(subs) == 1 {
		named = nil
	}
	for _, s := range subs {
		clients, n := s.Count(named)
		sum.Clients, sum.Users = sum.Clients+clients, sum.Users+n
	}
	if named == nil {
		sum.Named = kept
		return frames.AppendCounted(nil, sum)
	}
	if len(subs) > 1 {
		sum.Users, _ = users.count()
	}
	sum.Named = users.bytes()
	if _, estimated := users.count(); estimated {
		c.sketches.put(room, sum.Named)
	}
	return frames.AppendCounted(nil, sum)
}
