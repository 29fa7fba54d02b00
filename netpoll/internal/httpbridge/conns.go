package httpbridge

import (
	"container/list"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"webim/netpoll/internal/addrs"
)

// Conns are the connections of a server that net/http has, or that a handler has hijacked from it. The
// exported fields are set, and SetMax called, before the first use. All methods are safe for concurrent use.
type Conns struct {
	Addrs *addrs.Table  // counts the connections and slots of each address
	Now   func() uint32 // the present tick
	Stall uint32        // the ticks for which a client may keep the server waiting before its connection may end for another one
	Left  func()        // called when a connection has ended: the server has one fewer

	max      atomic.Int64 // connections at a time, a quarter of them from one address
	n        atomic.Int64 // slots taken: by conns, and by those that are on their way there
	mu       sync.Mutex
	conns    map[*Conn]struct{}
	idleList list.List // of *Conn that are idle, the one that has been idle longest first
	closed   bool
}

// SetMax sets the number of slots: of connections at a time, a quarter of them from one address. If
// there are more connections, they keep their slots.
func (l *Conns) SetMax(n int) { l.max.Store(int64(n)) }

// Max returns the number of slots.
func (l *Conns) Max() int { return int(l.max.Load()) }

// Slots returns the number of slots that are taken.
func (l *Conns) Slots() int64 { return l.n.Load() }

// TakeSlot takes one of Max slots for a connection of an address, if one is free and the address has not
// used up its share. Otherwise a connection that waits for its client is ended: one of the same address
// if the share is used up.
func (l *Conns) TakeSlot(ip uint32) bool {
	if l.tryTakeSlot(ip) {
		return true
	}
	share := !l.Addrs.HasSlot(ip, addrs.SlotHTTP, l.Max())
	return l.endLongestWaiting(func(c *Conn) bool { return !share || l.Addrs.SameClient(c.ip, ip) }) && l.tryTakeSlot(ip)
}

func (l *Conns) tryTakeSlot(ip uint32) bool {
	if most := l.Max(); l.n.Add(1) <= int64(most) && l.Addrs.TakeSlot(ip, addrs.SlotHTTP, most) {
		return true
	}
	l.n.Add(-1)
	return false
}

// GiveSlotBack ends the use of a slot. A Conn gives back its own.
func (l *Conns) GiveSlotBack(ip uint32) {
	l.n.Add(-1)
	l.Addrs.GiveSlotBack(ip, addrs.SlotHTTP)
}

// EndLongestWaiting ends a connection that only waits for its client, so that another one can come. It
// reports whether there was one.
func (l *Conns) EndLongestWaiting() bool {
	return l.endLongestWaiting(func(*Conn) bool { return true })
}

func (l *Conns) endLongestWaiting(match func(*Conn) bool) bool {
	c := l.longestWaiting(match)
	if c != nil {
		c.abort()
	}
	return c != nil
}

// longestWaiting returns the matching connection that has been idle longest. If none is idle, it returns
// one that is stalled, and nil if there is none either. The connection is no longer in the list of idle
// ones.
func (l *Conns) longestWaiting(match func(*Conn) bool) *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.idleList.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Conn); match(c) {
			l.removeIdleLocked(c)
			return c
		}
	}
	for c := range l.conns {
		if c.stalled(l.Now()) && match(c) {
			return c
		}
	}
	return nil
}

// Len returns the number of connections, and of those that are idle or stalled.
func (l *Conns) Len() (all, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if c.idleEntry != nil || c.stalled(l.Now()) {
			waiting++
		}
	}
	return len(l.conns), waiting
}

// AbortAll closes all connections at once, now and in the future.
func (l *Conns) AbortAll() {
	l.mu.Lock()
	l.closed = true
	all := slices.Collect(maps.Keys(l.conns))
	l.mu.Unlock()
	for _, c := range all {
		c.abort()
	}
}

// setIdle notes whether a connection is idle.
func (l *Conns) setIdle(c *Conn, idle bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeIdleLocked(c)
	if _, there := l.conns[c]; idle && there {
		c.idleEntry = l.idleList.PushBack(c)
	}
}

func (l *Conns) removeIdleLocked(c *Conn) {
	if c.idleEntry != nil {
		l.idleList.Remove(c.idleEntry)
		c.idleEntry = nil
	}
}

// add notes a connection. After AbortAll, add closes it.
func (l *Conns) add(c *Conn) {
	c.noteTraffic()
	l.mu.Lock()
	if l.conns == nil {
		l.conns = map[*Conn]struct{}{}
	}
	l.conns[c] = struct{}{}
	closed := l.closed
	l.mu.Unlock()
	if closed {
		c.abort()
	}
}

// remove reports whether the connection was noted.
func (l *Conns) remove(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.conns[c]
	delete(l.conns, c)
	l.removeIdleLocked(c)
	return ok
}
