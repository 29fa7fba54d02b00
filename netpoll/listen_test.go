package netpoll

import (
	"os"
	"testing"
)

// A listener that cannot be watched is not kept, nor its descriptor.
func TestListenUnwatched(t *testing.T) {
	s := serve(t, Config{}, nil)
	s.loops[0].epoll.Close()
	count := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	before := count()
	if addr, err := s.Listen(Listener{Addr: "127.0.0.1:0"}); err == nil {
		t.Errorf("listens on %v", addr)
	}
	if after := count(); after != before || len(s.listeners()) != 1 {
		t.Errorf("%d descriptors before, %d after; %d listeners", before, after, len(s.listeners()))
	}
}
