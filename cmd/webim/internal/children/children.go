package children

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Child is a child of this process.
type Child struct {
	PID   int
	ended chan struct{} // closed at its end
	code  int           // of its exit
}

var (
	mu sync.Mutex
	// known are the children that somebody may wait for, until they have ended. The pid of each is still its own.
	known = map[int]*Child{}
)

// Reap begins to wait for all children, also those that it does not know. So os/exec.Cmd.Wait fails from now on: use Start.
func Reap() { begin() }

var begin = sync.OnceFunc(func() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, unix.SIGCHLD)
	go func() {
		for { // children may have ended before Notify
			reap()
			<-ends
		}
	}()
})

// reap waits for all children that have ended.
func reap() {
	mu.Lock()
	defer mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if c := known[pid]; c != nil {
			code := status.ExitStatus()
			if status.Signaled() {
				code = failed
			}
			c.endLocked(code)
		}
	}
}

func (c *Child) endLocked(code int) {
	c.code = code
	delete(known, c.PID)
	close(c.ended)
}

// Start starts a command, and calls Reap. Child.Wait takes the place of the method Wait of the command.
func Start(cmd *exec.Cmd) (*Child, error) {
	begin()
	mu.Lock() // so that the end of the child comes after it is known
	defer mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &Child{PID: cmd.Process.Pid, ended: make(chan struct{})}
	known[c.PID] = c
	return c, cmd.Process.Release()
}

// Find returns a child that a program before this one has started, and calls Reap. If there is no such child, it has ended.
func Find(pid int) *Child {
	mu.Lock()
	defer begin()
	defer mu.Unlock()
	c := &Child{PID: pid, ended: make(chan struct{})}
	known[pid] = c
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil); errors.Is(err, unix.ECHILD) {
		c.endLocked(failed)
	}
	return c
}

// Ended returns a channel that is closed when the child has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// failed is the code of a child that a signal has ended, or that is no child of this process.
const failed = 1

// Wait waits for the end of the child, and returns the code of its exit; 1 if a signal has ended it.
func (c *Child) Wait() (code int) {
	<-c.ended
	return c.code
}

// Signal sends a signal to the child, unless it has ended.
func (c *Child) Signal(sig syscall.Signal) {
	mu.Lock() // nobody waits for it meanwhile, so no other process gets its pid
	defer mu.Unlock()
	if known[c.PID] == c {
		_ = unix.Kill(c.PID, sig)
	}
}
