package addrs

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// A Table counts connections by address. A connection keeps the number of its address's entry, 4
// bytes, instead of 24 bytes of address. An entry lives while something refers to it.
//
// Limits count clients, not addresses: a client with one IPv6 address has the 2^64 addresses of its
// /64. So an IPv6 entry refers to the entry of its /64, which has the counts.
//
// The zero value is empty, and lists no proxy. All methods are safe for concurrent use.
type Table struct {
	listed atomic.Pointer[listed]

	mu      sync.RWMutex
	byAddr  map[netip.Addr]uint32
	entries []entry
	free    []uint32
}

type entry struct {
	addr    netip.Addr
	counted uint32 // the entry that has the counts; for IPv4 the entry itself
	refs    int32  // connections, slots, and entries of the same /64 that refer to it

	conns      int32
	handshakes int32 // of conns, those that have not finished their handshake
	slots      [numSlots]int32
}

// Slot is a kind of slots.
type Slot uint8

// The kinds of slots.
const (
	SlotTLS  Slot = iota // TLS handshakes that have a goroutine
	SlotHTTP             // connections of net/http
	numSlots
)

// Add counts a new connection, which begins with a handshake, and returns the number of its entry.
// If a limit above 0 is reached and the address is not exempt, ok is false and the connection is
// not counted, because it would take the slot of another one until it is gone. Its address stays
// known until Forget.
func (t *Table) Add(addr netip.Addr, maxConns, maxHandshakes int) (i uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, e := t.knowLocked(addr)
	switch {
	case t.exempt(addr):
	case maxConns > 0 && int(e.conns) >= maxConns, maxHandshakes > 0 && int(e.handshakes) >= maxHandshakes:
		return i, false
	}
	e.conns++
	e.handshakes++
	return i, true
}

// Uncount takes a connection in its handshake out of the counts. Its address stays known until
// Forget.
func (t *Table) Uncount(i uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.countsLocked(i)
	e.conns--
	e.handshakes--
}

// Forget ends the reference of a connection that is not counted.
func (t *Table) Forget(i uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(i)
}

// Opened notes that a connection has finished its handshake.
func (t *Table) Opened(i uint32) {
	t.mu.Lock()
	t.countsLocked(i).handshakes--
	t.mu.Unlock()
}

// Remove takes a connection out of the counts and ends its reference. handshaking says that it has
// not finished its handshake.
func (t *Table) Remove(i uint32, handshaking bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.countsLocked(i)
	e.conns--
	if handshaking {
		e.handshakes--
	}
	t.dropLocked(i)
}

// TakeSlot takes one of total slots of a kind for a connection's address, and reports whether the
// address had one left of its quarter. The caller counts the slots of all addresses. The connection
// may end before its slot.
func (t *Table) TakeSlot(i uint32, kind Slot, total int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.hasSlotLocked(i, kind, total) {
		return false
	}
	t.countsLocked(i).slots[kind]++
	t.holdLocked(i)
	return true
}

// TakeSlotOf is TakeSlot for an address that need not have a connection.
func (t *Table) TakeSlotOf(addr netip.Addr, kind Slot, total int) (i uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, e := t.knowLocked(addr)
	if !t.hasSlotLocked(i, kind, total) {
		t.dropLocked(i)
		return 0, false
	}
	e.slots[kind]++
	return i, true
}

// HasSlot reports whether TakeSlot would succeed.
func (t *Table) HasSlot(i uint32, kind Slot, total int) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.hasSlotLocked(i, kind, total)
}

func (t *Table) hasSlotLocked(i uint32, kind Slot, total int) bool {
	return int(t.countsLocked(i).slots[kind]) < max(1, total/4) || t.exempt(t.entries[i].addr)
}

// GiveSlotBack ends the use of a slot.
func (t *Table) GiveSlotBack(i uint32, kind Slot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.countsLocked(i).slots[kind]--
	t.dropLocked(i)
}

// Counted returns the number of the entry that has the counts of an entry. Connections with the same one
// are of the same client.
func (t *Table) Counted(i uint32) uint32 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.entries[i].counted
}

// SameClient reports whether two connections are counted under the same entry.
func (t *Table) SameClient(i, other uint32) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.entries[i].counted == t.entries[other].counted
}

// AddrPort returns the address of an entry, with a port. It is zero for Unix sockets.
func (t *Table) AddrPort(i uint32, port uint16) netip.AddrPort {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return netip.AddrPortFrom(t.entries[i].addr, port)
}

// Len is the number of addresses that are known.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byAddr)
}

func (t *Table) exempt(addr netip.Addr) bool {
	return !addr.IsValid() || addr.IsLoopback() || t.listed.Load().has(addr)
}

// counted returns the address under which a client is counted.
func (t *Table) counted(addr netip.Addr) netip.Addr {
	if !addr.Is6() || t.exempt(addr) {
		return addr
	}
	return netip.PrefixFrom(addr, 64).Masked().Addr()
}

// knowLocked makes an address known for one more reference. It returns the number of its entry, and
// the entry that has its counts. dropLocked ends the reference.
func (t *Table) knowLocked(addr netip.Addr) (i uint32, counts *entry) {
	i = t.entryLocked(addr)
	if t.entries[i].refs == 0 { // it is new; a known address is counted as before, also if it is listed since then, or no longer
		counted := t.entryLocked(t.counted(addr))
		t.entries[i].counted = counted
	}
	t.holdLocked(i)
	return i, t.countsLocked(i)
}

// entryLocked finds the entry of an address, or makes one.
func (t *Table) entryLocked(addr netip.Addr) (i uint32) {
	i, ok := t.byAddr[addr]
	if ok {
		return i
	}
	if k := len(t.free); k > 0 {
		i, t.free = t.free[k-1], t.free[:k-1]
	} else {
		i = uint32(len(t.entries))
		t.entries = append(t.entries, entry{})
	}
	t.entries[i] = entry{addr: addr, counted: i}
	if t.byAddr == nil {
		t.byAddr = map[netip.Addr]uint32{}
	}
	t.byAddr[addr] = i
	return i
}

func (t *Table) holdLocked(i uint32) {
	t.entries[i].refs++
	t.entries[t.entries[i].counted].refs++
}

// dropLocked undoes holdLocked, and frees entries that nothing refers to.
func (t *Table) dropLocked(i uint32) {
	for _, i := range [...]uint32{t.entries[i].counted, i} {
		e := &t.entries[i]
		if e.refs--; e.refs == 0 {
			delete(t.byAddr, e.addr)
			*e = entry{}
			t.free = append(t.free, i)
		}
	}
}

// countsLocked returns the entry that has the counts of an entry.
func (t *Table) countsLocked(i uint32) *entry { return &t.entries[t.entries[i].counted] }
