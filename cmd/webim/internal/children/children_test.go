package children

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

// TestStart checks the code of the exit of children, and that each can get signals until its end.
func TestStart(t *testing.T) {
	for _, c := range []struct {
		script string
		signal bool
		code   int
	}{{"exit 0", false, 0}, {"exit 7", false, 7}, {"read line", true, 1}} {
		in, out, err := os.Pipe() // nobody writes
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		defer out.Close()
		cmd := exec.Command("sh", "-c", c.script)
		cmd.Stdin = in
		child, err := Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if c.signal {
			child.Signal(unix.SIGTERM)
		}
		if code := child.Wait(); code != c.code {
			t.Errorf("%s: the code is %d", c.script, code)
		}
		child.Signal(unix.SIGTERM) // nobody gets it
	}
	if _, err := Start(exec.Command("/")); err == nil {
		t.Error("a folder was started")
	}
}

// TestFind finds a child that this package has not started, and one that never was.
func TestFind(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "read line; exit 7"}, &os.ProcAttr{Files: []*os.File{in, nil, nil}})
	if err != nil {
		t.Fatal(err)
	}
	child := Find(p.Pid)
	out.Close()
	if code := child.Wait(); code != 7 {
		t.Errorf("the code is %d", code)
	}
	if code := Find(1 << 30).Wait(); code != 1 {
		t.Errorf("the code of nobody is %d", code)
	}
}

// TestReap checks that no child stays a zombie, also one of a process that has ended.
func TestReap(t *testing.T) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil { // as the first process of a container is
		t.Fatal(err)
	}
	defer unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `sh -c 'echo $$' &`)
	cmd.Stdout = out
	child, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	out.Close()
	b := make([]byte, 20)
	n, err := in.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	child.Wait()
	orphan, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "the orphan is gone", func() bool { return unix.Kill(orphan, 0) == unix.ESRCH })
}
