package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gobwas/ws/wsutil"

	"webim/netpoll/wstest"
)

// TestARM64 runs the program for linux/arm64 in an emulator: 100 clients talk in one room, and each gets what all say. It
// takes a build of everything, so it runs at full size only.
func TestARM64(t *testing.T) {
	if !wstest.Long() {
		return
	}
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Fatalf("%v: install Debian's package qemu-user-static, or run make test-long, which does", err)
	}
	program := filepath.Join(t.TempDir(), "webim")
	build := exec.Command("go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := launch(t, program, []string{emulator}, "--open", "--listen", "127.0.0.1:0", "--shutdown-spread", "0s")
	var clients []*socket
	for range 100 {
		clients = append(clients, dial(t, "tcp", r.addrs[0]))
	}
	for i, c := range clients {
		if err := wsutil.WriteClientText(c, fmt.Appendf(nil, "from %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range clients {
		got := map[string]bool{}
		for len(got) < len(clients) {
			text, err := wsutil.ReadServerText(c)
			if err != nil || got[string(text)] {
				t.Fatalf("client %d after %d messages: %q, %v", i, len(got), text, err)
			}
			got[string(text)] = true
		}
	}
	for _, c := range clients {
		_ = c.Close()
	}
	r.kill()
}
