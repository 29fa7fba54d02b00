package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/fdpass"
)

const pidEnv = "WEBIM_UPGRADE_PID" // the pid of the old process

// execute puts another program into the place of the old process. It reports why that has failed.
func (s *side) execute(o *Old) int {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	o.Mute = func() func() {
		signal.Ignore(syscall.SIGHUP)
		signal.Stop(ends)
		return func() { fmt.Fprintln(s.report, "signals come again") }
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	die := os.Getenv(dieEnv)
	switch die {
	case "SIGTERM":
		o.step = func(step string) {
			if step == "last look" {
				unix.Kill(os.Getpid(), unix.SIGTERM)
				<-ends // never: the process ends
			}
		}
	case "commit fails":
		o.Commit = func() error { return errors.New("a connection has changed") }
	case "hangs at once":
		o.Binary, o.Args = "/bin/sleep", []string{"600"}
		o.StartTime = 100 * time.Millisecond
	}
	err := o.Exec(ctx, func(v Verdict) {
		switch die {
		case "does not start":
			o.Binary = "/"
		case "ends":
			cancel()
		}
	})
	var alone *StandInError
	if !errors.As(err, &alone) {
		return s.tell(Verdict{}, err)
	}
	fmt.Fprintln(s.report, "old has failed:", alone.Unwrap(), "and the stand-in ends with", alone.StandIn.Wait())
	return 0
}

// placed describes the new program in the old process. A signal that comes before the program handles it does not end it.
func placed(n *New) string {
	if err := unix.Kill(os.Getpid(), unix.SIGHUP); err != nil {
		return err.Error()
	}
	v := n.Verdict("test", 3, "")
	return fmt.Sprintf("same pid %v, %d conns, stall %v", os.Getenv(pidEnv) == strconv.Itoa(v.PID) && v.PID == os.Getpid(), v.Conns, v.Stall > 0 && v.Stall < time.Hour)
}

// TestInPlace checks that exactly one process owns the sockets, at whichever step one of them dies or hangs, and that in the end the
// old process has the new program. The processes are the old one, the stand-in that it starts (new; stand-in, when it hands back), and the old one
// with its new program (placed).
func TestInPlace(t *testing.T) {
	const (
		place   = "same pid true, 3 conns, stall true"
		back    = "stand-in moved 3"
		standIn = "stand-in owns: the process before this one has not got the new program: its log says why"
	)
	cases := map[string][]string{
		"":                  {allLent, place, back},
		"other version":     {fmt.Sprintf(otherVersion, "")},
		"too old":           {"old owns: the new program is of another version, and cannot stand in for this one while it is replaced"},
		"new refuses":       {"old owns: the settings are wrong"},
		"new refuses late":  {"old owns: the state is wrong"},
		"commit fails":      {"old owns: a connection has changed"},
		"hangs at once":     {isLate},
		"hang new part":     {hangs},
		"new go":            {"lost: the new process has failed after it had taken over: the new process has ended: its log says why"},
		"does not start":    {standIn, "signals come again", "old has failed: starting the new program: permission denied and the stand-in ends with 0"},
		"ends":              {standIn, "signals come again", "old has failed: context canceled and the stand-in ends with 0"},
		"SIGTERM":           {standIn},
		"hang placed hello": {"stand-in owns: the new process was not ready in time"},
		"hang placed part":  {"stand-in owns: the new process hangs"},
		"hang placed ready": {"stand-in owns: the new process hangs"},
		"placed go":         {"lost: the new process has failed after it had taken over: the new process has ended: its log says why"},
		"stand-in files":    nil, // both have ended, as after any crash
		"stand-in ready":    {allLent, place},
		"stand-in go":       {allLent, place},
		"stand-in gone":     {allLent, place},
	}
	for _, step := range []string{"hello", "borrow", "files", "part", "ready", "wait"} {
		cases["new "+step] = []string{hasEnded}
		cases["placed "+step] = []string{standIn}
	}
	for die, want := range cases {
		t.Run(strings.ReplaceAll(die, " ", "_"), func(t *testing.T) {
			t.Parallel()
			got := run(t, "old in place", die)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%q; want %q", got, want)
			}
		})
	}
}

// TestStop lets a process that is ready go on after the stand-in has given up waiting for it: it must not take over, although the
// pair ends then.
func TestStop(t *testing.T) {
	own, other, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := fdpass.FromFile(other)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &peer{conn: own, pid: -1} // nobody is killed
	if err := c.end(os.ErrDeadlineExceeded); err == nil {
		t.Error("there is no reason")
	}
	n := &New{conn: conn}
	if err := n.Ready(); err == nil {
		t.Error("the process takes over")
	}
}

// TestStopWithoutRoom is TestStop for a process for which there is no room for one more message: the pair stays open.
func TestStopWithoutRoom(t *testing.T) {
	own, other, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	conn, err := fdpass.FromFile(other)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for full := 0; full < 5; full++ { // times in a row
		own.SetDeadline(time.Now().Add(10 * time.Millisecond))
		if send(own, msgStop, nil) == nil {
			full = 0
		}
	}
	c := &peer{conn: own, pid: -1}
	_ = c.end(os.ErrDeadlineExceeded)
	conn.SetDeadline(time.Now().Add(10 * time.Millisecond))
	for err = nil; err == nil; _, _, err = conn.Receive() {
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the pair ends with %v", err)
	}
}
