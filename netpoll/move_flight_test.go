package netpoll

import (
	"reflect"
	"testing"

	"webim/netpoll/wstest"
)

// TestMoveFlight checks that the latest events of a connection move, twice, and that those of one that has ended do not.
func TestMoveFlight(t *testing.T) {
	old, _, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	gone, client := wstest.Connect(t, addr), wstest.Connect(t, addr)
	wstest.Eventually(t, "both are open", func() bool { return openConns(old) == 2 })
	gone.Send(0x81, "hello")
	gone.Expect(0x81, "hello")
	gone.Leave()
	client.Send(0x81, "hello")
	client.Expect(0x81, "hello")
	wstest.Eventually(t, "one is left", func() bool { return openConns(old) == 1 && len(old.exportFlights()) == 1 })
	for c := range old.Conns() {
		c.NoteRefusal(103)
		c.NoteRefusal(103)
	}
	latest := func(s *Server) (all []Event) {
		t.Helper()
		if flights := s.exportFlights(); len(flights) != 1 {
			t.Errorf("%d connections have events", len(flights))
		}
		for c := range s.Conns() {
			f, _ := c.Flight()
			all = f.Events
		}
		return all
	}
	want := latest(old)
	if len(want) != 2 || want[0].Kind != EventMessage || want[1].Count != 2 || want[1].Code != 103 {
		t.Fatalf("before: %+v", want)
	}
	for range 2 {
		s, _, _ := handOver(t, old, movingConfig())
		got := latest(s)
		for i := range got {
			if d := got[i].At.Sub(want[i].At).Abs(); d > wstest.Patience {
				t.Errorf("an event was %v before or behind the time that it has now", d)
			}
			got[i].At = want[i].At // it is rounded
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("moved: %+v, want %+v", got, want)
		}
		old = s
	}
	for c := range old.Conns() {
		c.NoteRefusal(103)
	}
	client.Send(0x81, "again")
	client.Expect(0x81, "again")
	wstest.Eventually(t, "what happens afterwards comes behind", func() bool { all := latest(old); return len(all) > 2 && all[len(all)-1].Kind == EventMessage })
	client.Leave()
}
