package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// TestUpgradeTwoServers upgrades two servers of one ordinary user at the same time. Together they have more descriptors in flight
// than the user may have, so each waits for the other. No other test with servers of that user may run meanwhile, so it is not parallel.
func TestUpgradeTwoServers(t *testing.T) {
	program := forNobody(t, build(t, false))
	const clients, rooms = 300, 2
	var servers [2]*moving
	var crowds [2]*crowd
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var talking [2]*sync.WaitGroup
	for i := range servers {
		servers[i] = startMovingBy(t, asNobody(clients+rooms+ownFiles+8), program, "--open", "--engine", "memory", "--personal=false")
		crowds[i] = gather(t, servers[i].addr, clients, rooms)
		defer crowds[i].end()
		talking[i] = crowds[i].talk(ctx, 20*time.Millisecond, uint64(time.Now().UnixNano()))
	}
	for _, m := range servers {
		m.signalUpgrade()
	}
	for i, m := range servers {
		wstest.Eventually(t, "an upgrade ends", func() bool { return len(m.lines(linesUpgraded))+len(m.lines(linesRolledBack)) > 0 })
		for _, line := range m.lines(linesRolledBack) {
			t.Fatalf("server %d: %v", i, line["err"])
		}
		m.pid = int(m.await(linesUpgraded, 0)["pid"].(float64))
		m.await("ended, and another process goes on", 0)
	}
	cancel()
	for i, m := range servers {
		talking[i].Wait()
		crowds[i].check()
		m.checkSockets(clients + rooms)
	}
}

// ownFiles are the files that a server keeps free for itself.
const ownFiles = 64

// asNobody returns the words that make a program one of an ordinary user, with a limit of open files. The kernel limits the
// descriptors in flight only of such a user.
func asNobody(files int) (words []string) {
	if os.Getuid() == 0 {
		words = []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	}
	return append([]string{"prlimit", fmt.Sprintf("--nofile=%d:%d", files, files)}, words...)
}

// forNobody returns a copy of a program that any user may run.
func forNobody(t *testing.T, program string) (path string) {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "webim")
	putInPlace(t, path, string(b))
	for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}
