package listen

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCannotListenHints checks the hint in the error about a port that only root may open.
func TestCannotListenHints(t *testing.T) {
	got := Address{"tcp", ":80"}.Explain(":80", &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)})
	want := "cannot listen on :80: permission denied; choose a port from 1024 up, or give the program the capability CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd, setcap)"
	if got.Error() != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestUnixSocketFile checks that clear removes only a socket that no process listens on.
func TestUnixSocketFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	stale, busy := filepath.Join(dir, "stale"), filepath.Join(dir, "busy")
	for _, path := range []string{stale, busy} {
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if path == busy {
			t.Cleanup(func() { ln.Close() })
			continue
		}
		ln.(*net.UnixListener).SetUnlinkOnClose(false)
		ln.Close()
	}
	for path, stays := range map[string]bool{file: true, link: true, dir: true, stale: false, busy: true} {
		err := Address{"unix", path}.clear()
		if _, there := os.Lstat(path); (there == nil) != stays {
			t.Errorf("%s is there: %v", path, there)
		}
		if refused := path == file || path == link || path == dir; (err != nil) != refused || refused && !strings.Contains(err.Error(), "not a socket") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// TestReachable checks that an address that stands for all addresses of the machine is not connected to.
func TestReachable(t *testing.T) {
	for _, c := range [][3]string{{"tcp", ":9501", "localhost:9501"}, {"tcp", "0.0.0.0:1", "localhost:1"}, {"tcp", "[::]:1", "localhost:1"},
		{"tcp", "127.0.0.1:1", "127.0.0.1:1"}, {"tcp", "[::1]:1", "[::1]:1"}, {"tcp", "host.example:1", "host.example:1"}, {"unix", "/run/a:1", "/run/a:1"}} {
		if got := (Address{c[0], c[1]}).Reachable(); got != c[2] {
			t.Errorf("%s %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// TestOverlaps checks which addresses one process cannot have at the same time.
func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{":1", "127.0.0.1:1", true}, {":1", "[::1]:1", true}, {":1", "host.example:1", true}, {"localhost:1", "127.0.0.1:1", true}, {"localhost:1", "[::1]:1", true},
		{"unix:/a", "unix:/a", true}, {"127.0.0.1:1", "127.0.0.1:1", true},
		{":1", ":2", false}, {":0", ":0", false}, {"localhost:0", "127.0.0.1:0", false}, {"127.0.0.1:1", "[::1]:1", false}, {"127.0.0.1:1", "127.0.0.2:1", false},
		{"unix:/a", "unix:/b", false}, {"unix:/:1", ":1", false},
	} {
		a, err := Parse(c.a)
		b, err2 := Parse(c.b)
		if err != nil || err2 != nil || a.Overlaps(b) != c.want || b.Overlaps(a) != c.want {
			t.Errorf("%s and %s overlap: %v, want %v; %v, %v", c.a, c.b, a.Overlaps(b), c.want, err, err2)
		}
	}
}
