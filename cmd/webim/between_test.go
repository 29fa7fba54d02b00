package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/fdpass"
	"webim/netpoll/wstest"
)

// A between stands between the two processes of an upgrade, which are both the real program: it passes each message on, with its
// descriptors. So it can end or stop either process at each step, and change what one says to the other.
//
// The old process starts a script in place of the program. The script runs the test's binary, which gives its end of the pair to the
// test, gets another one for it, and becomes the real program. So the new process is the one that the old one has started.
type between struct {
	t        *testing.T
	listener *net.UnixListener
	ends     [2]int // the ends of the test, by side
	process  [2]*os.Process
	// see looks at each message, and may change it, before it is passed on. false: it is not, and both pairs are closed.
	see     func(b *between, msg []byte, fds []int) bool
	resumes bool // a process that see has stopped goes on when the other one waits for it
	stopped *os.Process
}

// The sides of a between.
const (
	oldSide = iota
	newSide
)

// The variables of the script.
const (
	betweenSocket  = "WEBIM_TEST_BETWEEN"
	betweenProgram = "WEBIM_TEST_PROGRAM"
)

// placeBetween replaces the program at a path by a script, for one upgrade.
func placeBetween(t *testing.T, inPlace, program string, old int, see func(b *between, msg []byte, fds []int) bool) *between {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "between")
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	putInPlace(t, inPlace, fmt.Sprintf("#!/bin/sh\nexec env %s='%s' %s='%s' '%s' '%s' \"$@\"\n", betweenSocket, socket, betweenProgram, program, test, inPlace))
	b := &between{t: t, listener: l, see: see}
	if b.process[oldSide], err = os.FindProcess(old); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range b.process {
			if p != nil {
				_ = p.Kill() // mostly, it has ended
			}
		}
	})
	return b
}

// putInPlace replaces a file by an executable one with a text.
func putInPlace(t *testing.T, path, text string) {
	t.Helper()
	// Nobody can run a file that a process has open for writing, and a process that another test starts meanwhile would have it
	// open until it becomes its program.
	syscall.ForkLock.RLock()
	err := os.WriteFile(path+".new", []byte(text), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// linkInPlace makes a path a link to the program.
func linkInPlace(t *testing.T, path, program string) {
	t.Helper()
	if err := os.Symlink(program, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// becomeNew is the test's binary in the new process. It returns only an error.
func becomeNew() error {
	c, err := net.Dial("unixpacket", os.Getenv(betweenSocket))
	if err != nil {
		return err
	}
	test, err := passing(c.(*net.UnixConn))
	if err != nil {
		return err
	}
	if err := test.Send([]byte("end"), 3); err != nil {
		return err
	}
	_, fds, err := test.Receive()
	if err != nil {
		return err
	}
	if err := unix.Dup3(fds[0], 3, 0); err != nil {
		return err
	}
	var env []string
	for _, one := range os.Environ() {
		if !strings.HasPrefix(one, "WEBIM_TEST_") {
			env = append(env, one)
		}
	}
	return syscall.Exec(os.Getenv(betweenProgram), os.Args[1:], env)
}

// passing returns a socket as package fdpass has it, and closes it.
func passing(c *net.UnixConn) (*fdpass.Conn, error) {
	defer c.Close()
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	return fdpass.FromFile(f)
}

// accept waits until the new process has begun.
func (b *between) accept() error {
	_ = b.listener.SetDeadline(time.Now().Add(wstest.Patience))
	c, err := b.listener.AcceptUnix()
	if err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	_ = raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil {
		return err
	}
	shim, err := passing(c)
	if err != nil {
		return err
	}
	defer shim.Close()
	if b.process[newSide], err = os.FindProcess(int(peer.Pid)); err != nil {
		return err
	}
	_, fds, err := shim.Receive()
	if err != nil {
		return err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	b.ends = [2]int{oldSide: fds[0], newSide: pair[0]}
	defer unix.Close(pair[1])
	return shim.Send([]byte("end"), pair[1])
}

// run passes the messages on until one of the pairs is closed.
func (b *between) run() error {
	if err := b.accept(); err != nil {
		return err
	}
	defer unix.Close(b.ends[oldSide])
	defer unix.Close(b.ends[newSide])
	defer func() {
		if b.stopped != nil && b.resumes {
			_ = b.stopped.Signal(syscall.SIGCONT)
		}
	}()
	for {
		patience := wstest.Patience
		if b.stopped != nil && b.resumes {
			patience = 50 * time.Millisecond // without a message, the other one waits
		}
		switch sides, err := await(patience, unix.POLLIN, b.ends[newSide], b.ends[oldSide]); {
		case err != nil:
			return err
		case sides == nil && b.stopped != nil && b.resumes:
			_ = b.stopped.Signal(syscall.SIGCONT)
			b.stopped = nil
		case sides == nil:
			return errors.New("the upgrade stands still")
		case !b.pass(sides[0]): // an end of the new process comes first, as it does without a between
			return nil
		}
	}
}

// await waits for events of sockets, and returns those that have one; none after a while.
func await(patience time.Duration, events int16, sockets ...int) (ready []int, err error) {
	var polled []unix.PollFd
	for _, fd := range sockets {
		polled = append(polled, unix.PollFd{Fd: int32(fd), Events: events})
	}
	for {
		if _, err := unix.Poll(polled, int(patience.Milliseconds())); err == nil {
			break
		} else if !errors.Is(err, unix.EINTR) {
			return nil, err
		}
	}
	for _, p := range polled {
		if p.Revents != 0 {
			ready = append(ready, int(p.Fd))
		}
	}
	return ready, nil
}

// pass passes one message on.
func (b *between) pass(socket int) bool {
	msg, oob := make([]byte, fdpass.MaxMessage), make([]byte, unix.CmsgSpace(4*fdpass.MaxFDs))
	n, oobn, _, _, err := unix.Recvmsg(socket, msg, oob, unix.MSG_CMSG_CLOEXEC)
	if errors.Is(err, unix.ECONNRESET) { // it has left messages unread; its last one may follow
		n, oobn, _, _, err = unix.Recvmsg(socket, msg, oob, unix.MSG_CMSG_CLOEXEC)
	}
	if err != nil || n == 0 {
		return false
	}
	msg, oob = msg[:n], oob[:oobn]
	var fds []int
	if all, err := unix.ParseSocketControlMessage(oob); err == nil {
		for i := range all {
			some, _ := unix.ParseUnixRights(&all[i])
			fds = append(fds, some...)
		}
	}
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	if !b.see(b, msg, fds) {
		return false
	}
	oob = nil
	if fds = slices.DeleteFunc(fds, func(fd int) bool { return fd < 0 }); len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	to := b.ends[newSide]
	if socket == to {
		to = b.ends[oldSide]
	}
	_ = unix.Sendmsg(to, msg, oob, nil, 0) // if the receiver has died, its last words may still come
	return true
}

// signal sends a signal to a process, and returns when that has died or stands still.
func (b *between) signal(side int, sig syscall.Signal) {
	if err := b.process[side].Signal(sig); err != nil {
		b.t.Errorf("the signal %v: %v", sig, err)
	}
	if sig == syscall.SIGKILL {
		if hung, err := await(wstest.Patience, 0, b.ends[side]); hung == nil {
			b.t.Errorf("a killed process has not ended: %v", err)
		}
		return
	}
	b.stopped = b.process[side]
	wstest.Eventually(b.t, "the process stands still", func() bool { return processState(b.stopped.Pid) == 'T' })
}

// processState returns the state of a process as ps shows it: T if it is stopped, Z if it is dead; 0 if it is gone.
func processState(pid int) byte {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[0]
}

// hasEnded reports whether a process is dead or gone.
func hasEnded(pid int) bool {
	state := processState(pid)
	return state == 0 || state == 'Z'
}
