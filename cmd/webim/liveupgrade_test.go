package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// testLiveUpgrade upgrades a server several times while its clients talk. No client is closed, and none loses a message, gets one twice
// or in another order.
func testLiveUpgrade(t *testing.T, program string) {
	clients, rooms, times, interval := 1000, 10, 3, 20*time.Millisecond
	if wstest.Long() {
		clients, rooms, times, interval = 15_000, 150, 10, 750*time.Millisecond
	}
	m := startMoving(t, program, "--open", "--engine", "memory", "--personal=false")
	liveUpgrades(t, m, clients, rooms, times, interval)
}

func liveUpgrades(t *testing.T, m *moving, clients, rooms, times int, interval time.Duration) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := gather(t, m.addr, clients, rooms)
	defer c.end()
	before, kernel := m.descriptors(), kernelMemory(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	talking := c.talk(ctx, interval, seed)
	for i := range times {
		n := c.got.Load()
		wstest.Eventually(t, "everybody gets messages", func() bool { return c.got.Load() > n+int64(clients) })
		c.longest.Store(0)
		line := m.upgrade()
		after := c.got.Load()
		wstest.Eventually(t, "everybody gets messages again", func() bool { return c.got.Load() > after+int64(clients) })
		t.Logf("upgrade %d: %v clients, %v stayed, stall %v, longest time without a message %v", i+1, line["clients"], line["stayed"],
			time.Duration(line["stall"].(float64)), time.Duration(c.longest.Load()))
		if got := int(line["clients"].(float64)); got != clients+rooms || line["stayed"].(float64) != 0 {
			t.Errorf("upgrade %d: %d of %d clients have moved, and %v stayed", i+1, got, clients+rooms, line["stayed"])
		}
	}
	cancel()
	talking.Wait()
	c.check()
	if after := m.descriptors(); after < before-8 || after > before+8 {
		t.Errorf("the last process has %d open files, and the first one had %d", after, before)
	}
	more := kernelMemory(t) - kernel
	t.Logf("the kernel has %d KiB more after %d upgrades", more>>10, times)
	if lost := int64(clients) * int64(times) * socketMemory; more > max(lost/2, 128<<20) { // others use this machine, too
		t.Errorf("the kernel has %d bytes more, and if sockets had been left it would be about %d", more, lost)
	}
}

// socketMemory is about the memory that the kernel has for a socket of TCP and its file.
const socketMemory = 3 << 10

// kernelMemory returns the bytes of the kernel's own structures.
func kernelMemory(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "SUnreclaim:")
	var kib int64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// testStoreUpgrade upgrades a server whose messages are in a folder, which the old process closes and the new one opens.
func testStoreUpgrade(t *testing.T, program string) {
	m := startMoving(t, program, "--open", "--data", t.TempDir(), "--personal=false")
	storeUpgrades(t, m)
	for _, line := range m.lines("took over from another process") {
		t.Logf("store: %v", line["store"])
	}
}

func storeUpgrades(t *testing.T, m *moving) {
	t.Helper()
	clients, rooms, times, interval := 100, 5, 2, 20*time.Millisecond
	if wstest.Long() {
		clients, rooms, times, interval = 15_000, 150, 3, 750*time.Millisecond
	}
	liveUpgrades(t, m, clients, rooms, times, interval)
}

// testUpgradeFails checks that the old process serves on whatever is wrong with the new one, that the verdict says why, and that a
// later upgrade works.
func testUpgradeFails(t *testing.T, program string) {
	dir := t.TempDir()
	inPlace, file := filepath.Join(dir, "webim"), filepath.Join(dir, "webim.yaml")
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	const good = "open: true\nengine: memory\n"
	putInPlace(t, inPlace, string(b))
	putInPlace(t, file, good)
	internal := wstest.FreeAddr(t).String()
	key := filepath.Join(dir, "key")
	putInPlace(t, key, "0123456789abcdef0123456789abcdef")
	m := startMoving(t, inPlace, "--config", file, "--internal", internal, "--api-key-file", key)
	c := gather(t, m.addr, 20, 2)
	defer c.end()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	talking := c.talk(ctx, 5*time.Millisecond, 1)
	verdict := func() string {
		t.Helper()
		out, _ := exec.Command(program, "upgrade", "--config", file, "--internal", internal, "--api-key-file", key, "--engine", "memory").CombinedOutput()
		return string(out)
	}
	for _, bad := range []struct{ name, program, file, want string }{
		{"not a program", "no program", good, "exec format error"},
		{"ends at once", "#!/bin/sh\nexit 1\n", good, "the new process has ended"},
		{"wrong settings", string(b), good + "max_queue: 1MiB\nmax_queued: 1KiB\n", "lower the first or raise the second"},
		{"dies at the start", "#!/bin/sh\nkill -9 $$\n", good, "the new process has ended"},
	} {
		putInPlace(t, inPlace, bad.program)
		putInPlace(t, file, bad.file)
		if bad.file != good { // the command would refuse the settings itself
			n := len(m.lines(linesRolledBack))
			m.signalUpgrade()
			if line := m.await(linesRolledBack, n); !strings.Contains(line["err"].(string), bad.want) {
				t.Errorf("%s: %v, want %q", bad.name, line["err"], bad.want)
			}
		} else if got := verdict(); !strings.Contains(got, "rolled back: ") || !strings.Contains(got, bad.want) {
			t.Errorf("%s: %q, want %q", bad.name, got, bad.want)
		}
		n := c.got.Load()
		wstest.Eventually(t, "the old process serves on", func() bool { return c.got.Load() > n+100 })
	}
	putInPlace(t, inPlace, string(b))
	putInPlace(t, file, good)
	n := len(m.lines(linesUpgraded))
	if got := verdict(); !strings.HasPrefix(got, "moved: the process ") {
		t.Fatalf("the verdict is %q", got)
	}
	m.pid = int(m.await(linesUpgraded, n)["pid"].(float64))
	cancel()
	talking.Wait()
	c.check()
}

// TestLiveUpgrade runs the upgrades of a real program. Under load, the program is built without the race detector.
func TestLiveUpgrade(t *testing.T) {
	t.Parallel()
	program := build(t, false)
	for _, part := range []struct {
		name string
		test func(*testing.T, string)
	}{
		{"Spawn", testLiveUpgrade},
		{"Store", testStoreUpgrade},
		{"Fails", testUpgradeFails},
		{"Manager", testUpgradeManager},
		{"Why", testUpgradeWhy},
		{"Reload", testUpgradeReload},
		{"Requests", testUpgradeRequests},
		{"InPlace", testInPlace},
		{"InPlaceStore", testInPlaceStore},
		{"InPlaceFails", testInPlaceFails},
		{"InPlaceHalfway", testInPlaceHalfway},
		{"InPlaceReload", testInPlaceReload},
		{"InPlaceFirst", testFirstProcess},
		{"InPlaceTLS", testInPlaceTLS},
		{"InPlaceManager", testInPlaceManager},
		{"InPlaceOrphan", testInPlaceOrphan},
		{"InPlaceWatchdog", testInPlaceWatchdog},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, program)
		})
	}
}
