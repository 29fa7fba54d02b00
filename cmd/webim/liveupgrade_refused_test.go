package main_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

// TestUpgradeRefused changes what the two processes say to each other. Each change makes the upgrade fail with a reason, the old
// process serves on, and the next upgrade works.
func TestUpgradeRefused(t *testing.T) {
	t.Parallel()
	program := build(t, false)
	state, frame := -1, uint64(0) // the file of the state, while an upgrade runs, and where the last frame begins
	damage := func(at uint64, with ...byte) {
		if _, err := unix.Pwrite(state, with, int64(at)); err != nil {
			t.Error(err)
		}
	}
	const clients, rooms = 12, 2
	inPlace := filepath.Join(t.TempDir(), "webim")
	linkInPlace(t, inPlace, program)
	m := startMoving(t, inPlace, "--open", "--engine", "memory")
	c := gather(t, m.addr, clients, rooms)
	defer c.end()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	talking := c.talk(ctx, 5*time.Millisecond, uint64(time.Now().UnixNano()))
	for _, one := range []struct {
		name, want string
		see        func(msg []byte, fds []int)
	}{
		{"the versions of a later program", "it reads the versions 99 to 99 of the state", func(msg []byte, _ []int) {
			if msg[0] == steps["hello"] {
				msg[2], msg[4] = 99, 99
			}
		}},
		{"another version", "of a format that this program does not know", func(msg []byte, _ []int) {
			if msg[0] == steps["part"] {
				damage(2, 99)
			}
		}},
		{"a damaged length", "the state is damaged", func(msg []byte, _ []int) {
			if msg[0] == steps["part"] && frame > 0 {
				damage(frame+1, 0xff, 0xff, 0xff, 0xff, 0xff)
			}
		}},
		{"no descriptors", "ids came with", func(msg []byte, fds []int) {
			if msg[0] == steps["lent"] && len(fds) > 0 {
				unix.Close(fds[0])
				fds[0] = -1
			}
		}},
		{"another message", "came in place of", func(msg []byte, _ []int) {
			if msg[0] == steps["ready"] {
				msg[0] = steps["done"]
			}
		}},
	} {
		n := len(m.lines(linesRolledBack))
		b := placeBetween(t, inPlace, program, m.pid, func(_ *between, msg []byte, fds []int) bool {
			if msg[0] == steps["file"] && string(msg[1:]) == "state" {
				state, _ = unix.FcntlInt(uintptr(fds[0]), unix.F_DUPFD_CLOEXEC, 0)
				frame = 0
			}
			one.see(msg, fds)
			if msg[0] == steps["part"] {
				frame, _ = binary.Uvarint(msg[1:])
			}
			return true
		})
		m.signalUpgrade()
		if err := b.run(); err != nil {
			t.Fatal(err)
		}
		if state >= 0 {
			unix.Close(state)
			state = -1
		}
		if line := m.await(linesRolledBack, n); !strings.Contains(line["err"].(string), one.want) {
			t.Errorf("%s: %v, want %q", one.name, line["err"], one.want)
		}
		got := c.got.Load()
		wstest.Eventually(t, "the old process serves on", func() bool { return c.got.Load() > got+5*clients })
	}
	linkInPlace(t, inPlace, program)
	m.upgrade()
	cancel()
	talking.Wait()
	c.check()
	m.checkSockets(clients + rooms)
}

var residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)

// TestUpgradeMemory checks that a server that uses 90 % of the memory does not begin an upgrade, and serves on.
func TestUpgradeMemory(t *testing.T) {
	t.Parallel()
	const machine = 96 << 10 // kB
	meminfo := filepath.Join(t.TempDir(), "meminfo")
	if err := os.WriteFile(meminfo, fmt.Appendf(nil, "MemTotal:       %d kB\n", machine), 0o644); err != nil {
		t.Fatal(err)
	}
	words := []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" /proc/meminfo && exec "$@"`, meminfo}
	if os.Getuid() != 0 {
		words = append([]string{"unshare", "--user", "--map-root-user"}, words[1:]...)
	}
	m := startMovingBy(t, words, build(t, false), "--open", "--engine", "memory", "--history-messages", "100000", "--history-bytes", "1GiB", "--history-total", "1GiB", "--max-message", "128KiB", "--max-text", "none",
		"--max-graphemes", "none", "--rate-input", "none", "--user-rate-input", "none", "--ping-interval", "none")
	resident := func() (kB int) {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(m.pid) + "/status")
		if match := residentLine.FindSubmatch(text); err == nil && match != nil {
			kB, _ = strconv.Atoi(string(match[1]))
		}
		return kB
	}
	filler := wstest.ConnectPath(t, m.addr, "/history")
	for i := 0; resident() < machine*9/10; i++ {
		if i > 4000 {
			t.Fatalf("the server uses %d kB", resident())
		}
		text := strconv.Itoa(i) + strings.Repeat("x", 60<<10)
		filler.ResetDeadline()
		filler.Send(0x81, text)
		filler.Expect(0x81, text)
	}
	m.signalUpgrade()
	if line := m.await(linesRolledBack, 0); !strings.Contains(line["err"].(string), "and a second one like it would exceed this machine's memory") {
		t.Error(line["err"])
	}
	filler.Send(0x81, "still here")
	filler.Expect(0x81, "still here")
}

// TestUpgradeNode upgrades one of two nodes of a cluster, whose rooms have members and senders on both.
func TestUpgradeNode(t *testing.T) {
	t.Parallel()
	program := build(t, false)
	for name, by := range map[string]string{"Spawn": "spawn", "InPlace": "exec"} {
		t.Run(name, func(t *testing.T) { testUpgradeNode(t, program, by) })
	}
}

func testUpgradeNode(t *testing.T, program, by string) {
	clients, rooms, times, interval := 80, 4, 2, 20*time.Millisecond
	if wstest.Long() {
		clients, rooms, times, interval = 4000, 40, 10, 200*time.Millisecond
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	args := []string{"--open", "--personal=false", "--nats", "nats://" + startNATS(t, &server.Options{}), "--upgrade-by", by}
	m, other := startMoving(t, program, args...), startMoving(t, program, args...)
	m.inPlace = by == "exec"
	c := gatherAt(t, []string{m.addr, other.addr}, clients, rooms)
	defer c.end()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	talking := c.talk(ctx, interval, seed)
	for i := range times {
		n := c.got.Load()
		wstest.Eventually(t, "everybody gets messages", func() bool { return c.got.Load() > n+5*int64(clients) })
		line := m.upgrade()
		t.Logf("upgrade %d: %v clients, stall %v", i+1, line["clients"], time.Duration(line["stall"].(float64)))
		if line["stayed"].(float64) != 0 {
			t.Errorf("upgrade %d: %v stayed", i+1, line["stayed"])
		}
	}
	n := c.got.Load()
	wstest.Eventually(t, "everybody gets messages again", func() bool { return c.got.Load() > n+5*int64(clients) })
	cancel()
	talking.Wait()
	c.check()
	m.checkSockets((clients + rooms) / 2)
}
