package upgrade

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"webim/cmd/webim/internal/children"
)

// A StandInError says that this process could not get the new program when the stand-in served already, which goes on.
type StandInError struct {
	StandIn *children.Child
	err     error
}

func (e *StandInError) Error() string {
	return fmt.Sprintf("this process could not get the new program, and the process %d, which has it, serves: %v", e.StandIn.PID, e.err)
}

func (e *StandInError) Unwrap() error { return e.err }

// Exec keeps the process and replaces its program. It gives everything to a new process, as Spawn does, which stands in: it hands
// everything back to the new program of this one. Before its own end, this program calls leave, which closes the connections that
// could not move, in LeaveTime.
//
// Exec returns only an error: as that of Spawn, or a StandInError.
func (o *Old) Exec(ctx context.Context, leave func(Verdict)) error {
	o.inPlace = true
	c, err := o.start(fmt.Sprintf("%s=%d", envStandIn, o.LeaveTime+cmp.Or(o.StartTime, startTime)))
	if err != nil {
		return err
	}
	v, err := o.handOver(ctx, c)
	if err != nil {
		return err
	}
	leave(v)
	err = o.exec(ctx, c, v.Stall)
	c.conn.Close()
	return &StandInError{c.child, err}
}

// exec replaces this program by the new one, which gets the pair. It returns only an error. After the last look at ctx, a signal
// that asks for the end of the process ends it at once, and the stand-in notices that.
func (o *Old) exec(ctx context.Context, c *peer, stood time.Duration) error {
	if o.Mute != nil {
		defer o.Mute()()
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	o.at("last look")
	c.conn.SetDeadline(time.Now().Add(time.Millisecond))
	if _, _, err := c.conn.Receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		return errStopped
	}
	file, err := c.conn.File()
	if err != nil {
		return err
	}
	defer file.Close()
	syscall.ForkLock.Lock() // no other process gets it
	defer syscall.ForkLock.Unlock()
	if _, err := unix.FcntlInt(file.Fd(), unix.F_SETFD, 0); err != nil {
		return fmt.Errorf("upgrade: keeping the pair open: %w", err)
	}
	env := append(withoutOwn(os.Environ()), fmt.Sprint(envName, "=", file.Fd()), fmt.Sprintf("%s=%d %d %d", envReturn, os.Getpid(), c.pid, stood),
		fmt.Sprint(envGuarded, "=", guardPID))
	err = syscall.Exec(o.Binary, append([]string{os.Args[0]}, o.Args...), env)
	return fmt.Errorf("starting the new program: %w", err)
}

// HandBack gives everything back to the process before this one, after Done of a stand-in, as Spawn gives it to a new one. That process
// gets the new program first, so it has LeaveTime and StartTime of its Exec until it is there. After an error that is no LostError,
// this process serves on, and the other one waits for its end, see Guarded and Orphaned.
func (o *Old) HandBack(n *New) (v Verdict, err error) {
	o.StartTime = n.within
	c := &peer{conn: n.conn, pid: n.other}
	if v, err = o.handOver(context.Background(), c); err == nil {
		c.conn.Close()
	}
	return v, err
}

// Guarded reports whether another process waits for the end of this one, or of one before it, because this one is a stand-in, or was
// one, and has stayed: then the process must not change any more.
func Guarded() bool { return guardPID != 0 }

// Orphaned reports whether this process is Guarded, and the process that waits for its end has been killed. The first process of a
// container never counts as killed, because everything ends with it.
func Orphaned() bool { return guardPID > 1 && guardPID != os.Getppid() }

// guardPID is the pid of the process that waits for the end of this one; 0: there is none. Inherit sets it.
var guardPID int

// Guard replaces a program that could not take everything back by one that only waits for the stand-in: nothing that it had is open
// any more. It returns only an error.
func (n *New) Guard() error {
	env := append(withoutOwn(os.Environ()), fmt.Sprintf("%s=%d", envGuard, n.other), fmt.Sprint(envGuarded, "=", guardPID))
	return fmt.Errorf("upgrade: waiting for the stand-in: %w", syscall.Exec("/proc/self/exe", os.Args, env))
}

// Guards returns the pid of the process for whose end this one only waits; 0: it is a usual one.
func Guards() (pid int) {
	_, _ = fmt.Sscan(os.Getenv(envGuard), &pid) // nobody else sets it
	return pid
}
