package fdpass

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		if err := children[name](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	wstest.Main(m)
}

// childEnv names the function that the test binary runs as a child.
const childEnv = "WEBIM_FDPASS_CHILD"

var children = map[string]func() error{"echo": echoChild, "crowded": crowdedChild, "inflight": inFlightChild}

// command is the test binary as a child.
func command(t *testing.T, name string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	t.Cleanup(func() {
		if cmd.Process != nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

// start starts a child with an end of a pair.
func start(t *testing.T, name string) (*Conn, *exec.Cmd) {
	t.Helper()
	own, other, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { own.Close() })
	own.SetDeadline(time.Now().Add(wstest.Patience))
	cmd := command(t, name)
	cmd.ExtraFiles = []*os.File{other}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other.Close()
	return own, cmd
}

func inherited() (*Conn, error) { return FromFile(os.NewFile(3, "handover")) }

// pipes returns the reading ends of pipes, of which each holds its number as a text.
func pipes(t *testing.T, n int) (fds []int) {
	t.Helper()
	for i := range n {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(p[0]) })
		_, err := unix.Write(p[1], fmt.Append(nil, i))
		if unix.Close(p[1]); err != nil {
			t.Fatal(err)
		}
		fds = append(fds, p[0])
	}
	return fds
}

// echoChild answers each message with the content of its descriptors.
func echoChild() error {
	c, err := inherited()
	if err != nil {
		return err
	}
	for {
		msg, fds, err := c.Receive()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answer := bytes.Clone(msg)
		for _, fd := range fds {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				return fmt.Errorf("an exec would hand down descriptor %d: %v", fd, err)
			}
			all, err := io.ReadAll(os.NewFile(uintptr(fd), ""))
			if err != nil {
				return err
			}
			answer = append(append(answer, ' '), all...)
		}
		if err := c.Send(answer); err != nil {
			return err
		}
	}
}

// TestPass checks that messages and descriptors arrive in another process, in order, up to the kernel's limit.
func TestPass(t *testing.T) {
	before := wstest.Descriptors(t)
	c, cmd := start(t, "echo")
	for _, n := range []int{0, 1, MaxFDs} {
		fds, want := pipes(t, n), []byte("m")
		for i := range n {
			want = fmt.Append(want, " ", i)
		}
		if err := c.Send([]byte("m"), fds...); err != nil {
			t.Fatal(err)
		}
		if msg, _, err := c.Receive(); err != nil || !bytes.Equal(msg, want) {
			t.Errorf("%d descriptors: %.60s, %v; want %.60s", n, msg, err, want)
		}
		for _, fd := range fds {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
				t.Fatalf("the sender has lost descriptor %d: %v", fd, err)
			}
		}
	}
	c.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
	if n := wstest.Descriptors(t); n > before+1+MaxFDs {
		t.Errorf("%d descriptors, %d before", n, before)
	}
}

// TestLimits checks that Send refuses what the kernel would refuse or cut.
func TestLimits(t *testing.T) {
	c, other, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer other.Close()
	for name, err := range map[string]error{"no bytes": c.Send(nil), "too many bytes": c.Send(make([]byte, MaxMessage+1)), "too many descriptors": c.Send([]byte("m"), make([]int, MaxFDs+1)...)} {
		if err != errTooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Send(make([]byte, MaxMessage)); err != nil {
		t.Error(err)
	}
	if _, err := FromFile(os.NewFile(uintptr(pipes(t, 1)[0]), "")); err == nil {
		t.Error("a pipe was taken for an end of a pair")
	}
}

// TestEnd checks that the end of the other process is io.EOF, also if it has left messages unread, and that the
// kernel closes their descriptors.
func TestEnd(t *testing.T) {
	for _, unread := range []int{0, 3} {
		a, file, err := Pair()
		if err != nil {
			t.Fatal(err)
		}
		b, err := FromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fds := make([]int, 2)
		if err := unix.Pipe2(fds, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		for range unread {
			if err := a.Send([]byte("m"), fds[1]); err != nil {
				t.Fatal(err)
			}
		}
		unix.Close(fds[1])
		if err := b.Send([]byte("last")); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if msg, _, err := a.Receive(); err != nil || string(msg) != "last" {
			t.Errorf("%d unread: %q, %v", unread, msg, err)
		}
		if _, _, err := a.Receive(); err != io.EOF || a.Unread() != (unread > 0) {
			t.Errorf("%d unread: %v, %v", unread, err, a.Unread())
		}
		if err := a.Send([]byte("m")); !errors.Is(err, unix.EPIPE) {
			t.Errorf("sending after the end: %v", err)
		}
		a.Close()
		if n, err := unix.Read(fds[0], make([]byte, 1)); n != 0 || err != nil { // the last writing end is closed
			t.Errorf("%d unread: %d, %v from a pipe that nobody can write", unread, n, err)
		}
		unix.Close(fds[0])
	}
}

// TestDeadline checks that neither a silent process nor one that does not receive holds up the other one for ever.
func TestDeadline(t *testing.T) {
	c, other, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	defer other.Close()
	c.SetDeadline(time.Now().Add(10 * time.Millisecond))
	if _, _, err := c.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("receiving: %v", err)
	}
	for err = nil; err == nil; err = c.Send(make([]byte, MaxMessage)) {
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("sending: %v", err)
	}
}

// crowdedChild has room for a few descriptors only. It expects that a message is cut, and that nothing stays open of it.
func crowdedChild() error {
	c, err := inherited()
	if err != nil {
		return err
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	l.Cur = uint64(len(dir) + 5)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if _, _, err := c.Receive(); err != ErrTruncated {
		return fmt.Errorf("with too few descriptors: %v", err)
	}
	if after, err := os.ReadDir("/proc/self/fd"); err != nil || len(after) != len(dir) {
		return fmt.Errorf("%d descriptors, %d before: %v", len(after), len(dir), err)
	}
	return nil
}

// TestCut checks that a receiver without free descriptors gets an error, and not a part of them.
func TestCut(t *testing.T) {
	c, cmd := start(t, "crowded")
	if err := c.Send([]byte("m"), pipes(t, 50)...); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the child: %v", err)
	}
}

// inFlightChild sends more descriptors than its user may have in flight, and receives them only when the kernel has
// refused one.
func inFlightChild() error {
	a, file, err := Pair()
	if err != nil {
		return err
	}
	b, err := FromFile(file)
	if err != nil {
		return err
	}
	const messages, each = 8, 100
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3 * each, Max: 3 * each}); err != nil {
		return err
	}
	fds := make([]int, each)
	for i := range fds {
		fds[i] = 0
	}
	a.SetDeadline(time.Now().Add(500 * time.Millisecond)) // nobody receives meanwhile
	for range messages {
		if err = a.Send([]byte("m"), fds...); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.ETOOMANYREFS) {
		return fmt.Errorf("the kernel has refused nothing: %v", err)
	}
	a.SetDeadline(time.Now().Add(wstest.Patience))
	sent := make(chan error, 1)
	go func() {
		for range messages {
			if err := a.Send([]byte("m"), fds...); err != nil {
				sent <- err
				return
			}
		}
		sent <- a.Send([]byte("end"))
	}()
	for {
		msg, got, err := b.Receive()
		if err != nil {
			return err
		}
		for _, fd := range got {
			unix.Close(fd)
		}
		if string(msg) == "end" {
			return <-sent
		}
	}
}

// TestInFlight checks that Send waits while its user has too many descriptors in flight. That limit does not
// bind root, so the child is an ordinary user.
func TestInFlight(t *testing.T) {
	cmd := command(t, "inflight")
	if os.Getuid() == 0 {
		dir := t.TempDir()
		binary, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		cmd.Path = filepath.Join(dir, "child")
		if err := os.WriteFile(cmd.Path, binary, 0o755); err != nil {
			t.Fatal(err)
		}
		for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := cmd.Output(); err != nil {
		t.Errorf("the child: %v, %s", err, out)
	}
}
