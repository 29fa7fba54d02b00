package waiting

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"webim/netpoll/internal/addrs"
)

// handshake is one of a test; it waits for its client if it is silent.
type handshake struct {
	name   string
	silent bool
	place  Place[*handshake]
	ip     uint32
}

// shared are the slots of a test.
type shared struct {
	t     *testing.T
	slots Slots[*handshake]
	table addrs.Table
	now   uint32
	n     int
}

func share(t *testing.T, total int) *shared {
	s := &shared{t: t}
	s.slots = Slots[*handshake]{Total: total, Addrs: &s.table, Silent: func(h *handshake) bool { return h.silent }}
	return s
}

// enter makes a connection of an address, with a handshake.
func (s *shared) enter(addr string, silent bool) *handshake {
	s.t.Helper()
	ip, ok := s.table.Add(netip.MustParseAddr(addr), 0, 0)
	if !ok {
		s.t.Fatal("refused")
	}
	s.n++
	h := &handshake{name: fmt.Sprint(addr, "#", s.n), silent: silent, ip: ip}
	s.slots.Enter(&h.place, h, ip)
	return h
}

// assign gives out slots, and checks which handshakes are served, and which ones end.
func (s *shared) assign(before uint32, served, slow []*handshake) {
	s.t.Helper()
	gotServed, gotSlow := s.slots.Assign(s.now, before)
	for _, c := range []struct {
		what      string
		got, want []*handshake
	}{{"served", gotServed, served}, {"ended", gotSlow, slow}} {
		if !slices.Equal(c.got, c.want) {
			s.t.Errorf("%s are %v, want %v", c.what, names(c.got), names(c.want))
		}
	}
}

func names(all []*handshake) (out []string) {
	for _, h := range all {
		out = append(out, h.name)
	}
	return out
}

// TestFreeSlotsGoToAddressesInTurns checks that an address with many handshakes neither takes the slots of
// the others nor makes them wait, and that it gets no more than its share.
func TestFreeSlotsGoToAddressesInTurns(t *testing.T) {
	s := share(t, 8)
	var many []*handshake
	for range 5 {
		many = append(many, s.enter("192.0.2.1", false))
	}
	one := s.enter("192.0.2.2", false)
	s.assign(0, []*handshake{many[0], one, many[1]}, nil)
	if busy, waits := s.slots.Len(); busy != 3 || waits != 3 {
		t.Errorf("%d have slots and %d wait", busy, waits)
	}
	s.slots.Leave(&many[0].place)
	s.assign(0, []*handshake{many[2]}, nil)
	s.slots.Leave(&many[4].place) // it waits
	if busy, waits := s.slots.Len(); busy != 3 || waits != 1 {
		t.Errorf("%d have slots and %d wait", busy, waits)
	}
}

// TestSilentHandshakesEnd checks that as many handshakes end as others wait, none before its time, none that
// waits for the server, and first those of the address with the most slots.
func TestSilentHandshakesEnd(t *testing.T) {
	s := share(t, 4)
	s.table.SetProxies([]netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, false) // may have more than its share
	s.now = 10
	single := s.enter("192.0.2.1", true)
	first, busy, last := s.enter("198.51.100.1", true), s.enter("198.51.100.1", false), s.enter("198.51.100.1", true)
	s.assign(0, []*handshake{single, first, busy, last}, nil)
	waits := s.enter("192.0.2.9", false)
	s.assign(9, nil, nil)
	s.assign(10, nil, []*handshake{first})
	s.assign(10, nil, nil) // one ends for the one that waits
	s.slots.Leave(&first.place)
	s.assign(10, []*handshake{waits}, nil)
	if !s.slots.Taken(&waits.place) || s.slots.Taken(&first.place) {
		t.Error("the slot was not passed on")
	}
	s.enter("192.0.2.1", false) // has its share, so its own must end
	s.slots.Leave(&busy.place)
	s.assign(10, nil, []*handshake{single})
}

// TestSlotsForgetAll checks that after random events no more handshakes have slots than there are, and that
// nothing is left at the end.
func TestSlotsForgetAll(t *testing.T) {
	s := share(t, 8)
	rnd := rand.New(rand.NewPCG(3, 4))
	var all []*handshake
	for range 5000 {
		switch {
		case len(all) == 0 || rnd.IntN(2) == 0:
			all = append(all, s.enter(fmt.Sprintf("192.0.2.%d", rnd.IntN(12)), rnd.IntN(2) == 0))
		default:
			i := rnd.IntN(len(all))
			s.slots.Leave(&all[i].place)
			s.table.Remove(all[i].ip, true)
			all = slices.Delete(all, i, i+1)
		}
		s.now++
		s.slots.Assign(s.now, s.now-5)
		if busy, waits := s.slots.Len(); busy > 8 || busy+waits != len(all) {
			t.Fatalf("%d have slots and %d wait, of %d", busy, waits, len(all))
		}
	}
	for _, h := range all {
		s.slots.Leave(&h.place)
		s.table.Remove(h.ip, true)
	}
	if len(s.slots.clients) != 0 || s.slots.turns.Len() != 0 || s.slots.ending != 0 || s.table.Len() != 0 {
		t.Errorf("left: %d clients, %d turns, %d ending, %d addresses", len(s.slots.clients), s.slots.turns.Len(), s.slots.ending, s.table.Len())
	}
}
