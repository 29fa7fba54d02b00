package netpoll

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A listener for TCP speaks TCP, and not what costs each connection more.
func TestListenerIsPlainTCP(t *testing.T) {
	s := serve(t, Config{}, nil)
	if p, err := unix.GetsockoptInt(s.listeners()[0].fd, unix.SOL_SOCKET, unix.SO_PROTOCOL); p != unix.IPPROTO_TCP || err != nil {
		t.Errorf("protocol %d, %v", p, err)
	}
}

// At the end the file of a Unix socket is removed, and nothing that has taken its place.
func TestUnixSocketIsRemoved(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		s := serve(t, Config{}, nil)
		path := filepath.Join(t.TempDir(), "s")
		if _, err := s.Listen(Listener{Network: "unix", Addr: path}); err != nil {
			t.Fatal(err)
		}
		if c, err := net.Dial("unix", path); err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
		if replaced {
			// The new file is there before the old one goes, so it is another one.
			if err := os.WriteFile(path+"2", []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		if _, err := os.Lstat(path); (err == nil) != replaced {
			t.Errorf("replaced %v: %v", replaced, err)
		}
	}
}

// A listener that cannot be watched is not kept, nor its descriptor.
func TestListenUnwatched(t *testing.T) {
	s := serve(t, Config{}, nil)
	s.loops[0].Loop.Close()
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
