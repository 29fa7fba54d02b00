package main_test

import (
	"context"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

// The outcomes of an upgrade in which a process has a fault.
const (
	oldServes   = "the old process serves"
	newServes   = "the new process serves"
	nobodyServe = "nobody serves" // the process that had the sockets was killed
)

// The faults of a process.
const (
	kill = "dies at"
	stop = "pauses at" // until the other process waits for it
	hang = "hangs at"
)

// A stepCase is an upgrade in which a process has a fault.
type stepCase struct {
	side int
	does string
	step string // see steps
	want string
}

// steps are the messages at which something happens, before they are passed on, by their first bytes.
var steps = map[string]byte{"hello": 'h', "lent": 'l', "kept": 'k', "file": 'f', "part": 'p', "ready": 'r', "go": 'g', "done": 'd'}

var signals = map[string]syscall.Signal{kill: syscall.SIGKILL, stop: syscall.SIGSTOP, hang: syscall.SIGSTOP}

// reasons are those for which the old process ends a new one that hangs, by step. Nobody is served from the files on.
var reasons = map[string]string{"hello": "was not ready in time", "lent": "was not ready in time", "file": "the new process hangs", "part": "the new process hangs"}

// stepsUnread is the step at which the old process has sent go, and the new one has not received it.
const stepsUnread = "unread go"

// see does what the case wants to a process.
func (c stepCase) see() func(b *between, msg []byte, fds []int) bool {
	done := false
	return func(b *between, msg []byte, fds []int) bool {
		switch {
		case c.step == stepsUnread && msg[0] == steps["ready"]:
			if err := unix.Sendmsg(b.ends[oldSide], msg, nil, nil, 0); err != nil {
				b.t.Error(err)
			}
			if sent, err := await(wstest.Patience, unix.POLLIN, b.ends[oldSide]); sent == nil {
				b.t.Errorf("go did not come: %v", err)
			}
			b.signal(c.side, signals[c.does])
			return false
		case !done && msg[0] == steps[c.step]:
			done = true
			b.signal(c.side, signals[c.does])
		}
		return true
	}
}

// TestUpgradeSteps kills and pauses each of the two processes at each step of an upgrade. Afterwards, exactly one process has the
// sockets, its clients have noticed nothing, and a second upgrade works. If the process that was killed had the sockets, nobody has
// them.
func TestUpgradeSteps(t *testing.T) {
	t.Parallel()
	program := build(t, false)
	cases := []stepCase{
		{newSide, hang, "part", oldServes},
		{newSide, kill, "hello", oldServes},
		{newSide, kill, "lent", oldServes},
		{newSide, kill, "kept", oldServes},
		{newSide, kill, "file", oldServes},
		{newSide, kill, "part", oldServes},
		{newSide, kill, "ready", oldServes},
		{newSide, kill, stepsUnread, oldServes},
		{newSide, kill, "go", nobodyServe},
		{newSide, kill, "done", nobodyServe},
		{oldSide, kill, "hello", nobodyServe},
		{oldSide, kill, "lent", nobodyServe},
		{oldSide, kill, "kept", nobodyServe},
		{oldSide, kill, "file", nobodyServe},
		{oldSide, kill, "part", nobodyServe},
		{oldSide, kill, "ready", newServes},
		{oldSide, kill, "go", newServes},
		{oldSide, kill, "done", newServes},
	}
	some := []string{"lent", "part", "go"}
	if wstest.Long() {
		some = slices.Collect(maps.Keys(steps))
		cases = append(cases, stepCase{newSide, hang, "hello", oldServes}, stepCase{newSide, hang, "lent", oldServes}, stepCase{newSide, hang, "file", oldServes})
	}
	for _, step := range some {
		cases = append(cases, stepCase{oldSide, stop, step, newServes}, stepCase{newSide, stop, step, newServes})
	}
	for _, c := range cases {
		name := []string{"old", "new"}[c.side] + " " + c.does + " " + c.step
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			testUpgradeStep(t, program, c)
		})
	}
}

func testUpgradeStep(t *testing.T, program string, one stepCase) {
	const clients, rooms = 12, 2
	inPlace := filepath.Join(t.TempDir(), "webim")
	linkInPlace(t, inPlace, program)
	m := startMoving(t, inPlace, "--open", "--engine", "memory")
	c := gather(t, m.addr, clients, rooms)
	defer c.end()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.ending.Store(one.want == nobodyServe)
	talking := c.talk(ctx, 5*time.Millisecond, uint64(time.Now().UnixNano()))
	goesOn := func() {
		t.Helper()
		n := c.got.Load()
		wstest.Eventually(t, "everybody gets messages", func() bool { return c.got.Load() > n+5*clients })
	}
	goesOn()

	b := placeBetween(t, inPlace, program, m.pid, one.see())
	b.resumes = one.does == stop
	m.signalUpgrade()
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	ended := func(side int) {
		t.Helper()
		wstest.Eventually(t, "a process ends", func() bool { return hasEnded(b.process[side].Pid) })
	}
	switch one.want {
	case oldServes:
		if line := m.await(linesRolledBack, 0); one.does == hang && !strings.Contains(line["err"].(string), reasons[one.step]) {
			t.Errorf("the upgrade is rolled back because %v; want %q", line["err"], reasons[one.step])
		}
		ended(newSide)
	case newServes:
		ended(oldSide)
		m.pid = b.process[newSide].Pid
		// The lines of this upgrade are there before the next one begins, which waits for lines of its own.
		m.await("limit of open files", 1)
		if one.does != kill {
			m.await("ended, and another process goes on", 0)
		}
	case nobodyServe:
		ended(oldSide)
		ended(newSide)
		c.reading.Wait()
		wstest.Eventually(t, "nobody has the listener", func() bool { // the kernel closes what was on its way a little later
			l, err := net.Listen("tcp", m.addr)
			if err == nil {
				l.Close()
			}
			return err == nil
		})
		return
	}
	goesOn()
	linkInPlace(t, inPlace, program)
	m.upgrade()
	goesOn()
	cancel()
	talking.Wait()
	c.check()
	m.checkSockets(clients + rooms)
}
