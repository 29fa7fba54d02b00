package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

const (
	pidEnv    = "WEBIM_UPGRADE_PID"    // the pid of the old process
	scriptEnv = "WEBIM_UPGRADE_SCRIPT" // a script that starts the new program
)

// execute puts another program into the place of the old process. It reports why that was refused.
func (o *Old) execute(report io.Writer) int {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	o.Mute = func() func() {
		signal.Ignore(syscall.SIGHUP)
		return func() { fmt.Fprintln(report, "signals come again") }
	}
	o.Exclusive = strings.HasSuffix(os.Getenv(dieEnv), "exclusive")
	rests := 0
	freeze := o.Freeze
	o.Freeze = func(ctx context.Context) error { rests++; return freeze(ctx) }
	switch os.Getenv(dieEnv) {
	case "commit fails":
		o.Commit = func() error { return errors.New("a connection has changed") }
	case "prepare fails":
		o.Prepare = func(context.Context) error { return errors.New("the clients do not leave") }
	case "hangs at once":
		o.Binary, o.Args = "/bin/sleep", []string{"600"}
		o.StartTime = 100 * time.Millisecond
	case "replaced":
		o.Prepare = func(context.Context) error {
			o.Binary = "/bin/true"
			return nil
		}
	case "does not start":
		o.Binary = os.Getenv(scriptEnv)
		o.Prepare = func(context.Context) error { return os.Chmod(o.Binary, 0o600) }
	}
	err := o.Exec(context.Background())
	fmt.Fprintf(report, "old owns after %d times: %v\n", rests, err)
	var open []int // that other processes would inherit
	for fd := 3; fd < 64; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			open = append(open, fd)
		}
	}
	if os.Getenv(dieEnv) == "does not start" {
		fmt.Fprintln(report, "open on exec:", open)
	}
	return 0
}

// placed describes the new program in the old process. A signal that comes before the program handles it does not end it.
func placed(n *New) string {
	if err := unix.Kill(os.Getpid(), unix.SIGHUP); err != nil {
		return err.Error()
	}
	v := n.Verdict("test", "")
	return fmt.Sprintf("same pid %v, %d conns, stall %v", os.Getenv(pidEnv) == strconv.Itoa(v.PID) && v.PID == os.Getpid(), v.Conns, v.Stall > 0 && v.Stall < time.Hour)
}

// TestInPlace checks that the old program goes on, with the same descriptors as before, at whichever step the rehearsal dies or hangs,
// and that otherwise the new one has everything in the same process.
func TestInPlace(t *testing.T) {
	const place = "same pid true, 3 conns, stall true"
	cases := map[string][]string{
		"":                 {everything, place},
		"exclusive":        {everything, place},
		"other version":    {fmt.Sprintf(otherVersion, " after 0 times")},
		"new refuses late": {"old owns after 1 times: the state is wrong"},
		"new refuses":      {"old owns after 0 times: the settings are wrong"},
		"new ends badly":   {"old owns after 1 times: the rehearsal has not ended well: exit status 1"},
		"new wait":         {"old owns after 1 times: the rehearsal has not ended well: signal: killed"},
		"hang new hello":   {"old owns after 0 times: the new process was not ready in time"},
		"hang new part":    {"old owns after 1 times: the new process hangs"},
		"hang new wait":    {"old owns after 1 times: the new process was not ready in time"},
		"hangs at once":    {"old owns after 0 times: the new process was not ready in time"},
		"too old":          {"old owns after 0 times: the new program cannot take the place of this one in the same process: it is too old"},
		"commit fails":     {"old owns after 2 times: a connection has changed"},
		"prepare fails":    {"old owns after 1 times: the clients do not leave"},
		"replaced":         {"old owns after 2 times: the new program was replaced during the upgrade: try again"},
		"placed hello":     nil, // there is no way back, as after any crash
		"placed go":        nil,
		"does not start":   {"old owns after 2 times: starting the new program: permission denied", "signals come again", "open on exec: []"},
	}
	script := filepath.Join(t.TempDir(), "new")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec "+os.Args[0]+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv(scriptEnv, script)
	for _, step := range []string{"hello", "files", "part", "ready"} {
		times := 1
		if step == "hello" {
			times = 0
		}
		cases["new "+step] = []string{fmt.Sprintf("old owns after %d times: the new process has ended: its log says why", times)}
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

// TestTape checks that a damaged tape is an error, and that half of one is no whole one.
func TestTape(t *testing.T) {
	play := func(b []byte) (n int, err error) {
		all := &tape{b: b}
		for {
			msg, fds, err := all.Receive()
			if err != nil {
				return n, err
			}
			n += len(msg) + len(fds)
		}
	}
	var whole tape
	for range 3 {
		if err := whole.Send([]byte("message"), 5, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := play(whole.b); n != 3*9 || err != io.EOF || len(whole.fds) != 6 {
		t.Errorf("%d, %v, %v", n, err, whole.fds)
	}
	for i := range whole.b {
		if n, err := play(whole.b[:i]); n == 3*9 || err == io.EOF && i%(len(whole.b)/3) != 0 {
			t.Errorf("the first %d bytes of %d: %d, %v", i, len(whole.b), n, err)
		}
		bad := slices.Clone(whole.b)
		bad[i] ^= 0x80
		_, _ = play(bad) // never a panic
	}
}

// TestInheritTape checks that the descriptors of a tape are closed on exec.
func TestInheritTape(t *testing.T) {
	var to tape
	fd, err := unix.Eventfd(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := to.Send([]byte{msgGo}, fd); err != nil {
		t.Fatal(err)
	}
	file, err := newFile("tape")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(to.b); err != nil {
		t.Fatal(err)
	}
	number, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	before := wstest.Descriptors(t)
	t.Setenv(envName, inPlace+strconv.Itoa(number))
	n, err := Inherit()
	if err != nil || !n.InPlace() || n.Rehearsal() || os.Getenv(envName) != "" {
		t.Fatalf("%+v, %v, %q", n, err, os.Getenv(envName))
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the descriptor: %d, %v", flags, err)
	}
	if got := wstest.Descriptors(t); got != before-1 {
		t.Errorf("%d descriptors, and %d before: the tape is not closed", got, before)
	}
	t.Setenv(envName, inPlace+"x")
	if n, err := Inherit(); n != nil || err == nil {
		t.Errorf("%v, %v", n, err)
	}
}
