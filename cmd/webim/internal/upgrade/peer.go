package upgrade

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"webim/cmd/webim/internal/children"
	"webim/netpoll/fdpass"
	"webim/netpoll/snapshot"
)

// peer is the new process, as the old one sees it.
type peer struct {
	conn  *fdpass.Conn
	pid   int
	child *children.Child // nil: the process was there before this one, which stands in for it
}

// start starts the new process, with an end of the pair as its descriptor 3, and with more variables in its environment.
func (o *Old) start(vars ...string) (*peer, error) {
	own, other, err := fdpass.Pair()
	if err != nil {
		return nil, err
	}
	defer other.Close()
	cmd := exec.Command(o.Binary, o.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, []*os.File{other}
	cmd.Env = append(append(withoutOwn(o.Env), envName+"=3"), vars...)
	if o.inPlace {
		cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true} // an interrupt from a terminal comes to this process alone, which passes it on
	}
	child, err := children.Start(cmd)
	if err != nil {
		own.Close()
		return nil, fmt.Errorf("starting the new program: %w", err)
	}
	return &peer{own, child.PID, child}, nil
}

// hello waits until the new process is there, and checks whether it can take over.
func (o *Old) hello(c *peer) (Hello, error) {
	c.conn.SetDeadline(time.Now().Add(cmp.Or(o.StartTime, startTime)))
	msg, err := expect(c.conn, msgHello)
	if err != nil {
		return Hello{}, err
	}
	h, err := parseHello(msg)
	if err == nil {
		if _, ok := snapshot.Agree(h.Oldest, h.Newest); !ok {
			err = fmt.Errorf("it reads the versions %d to %d of the state, and this process writes %d to %d", h.Oldest, h.Newest, snapshot.Oldest, snapshot.Version)
		}
	}
	if err == nil && o.inPlace && !h.StandsIn {
		err = errors.New("the new program is of another version, and cannot stand in for this one while it is replaced")
	}
	if err == nil && o.Check != nil {
		err = o.Check(h)
	}
	o.at("hello")
	return h, err
}

// lend gives the new process the descriptors of connections, and waits until it has registered them.
func (o *Old) lend(c *peer, h Hello) error {
	if o.Lend == nil || !h.Borrows {
		return nil
	}
	c.conn.SetDeadline(time.Now().Add(min(cmp.Or(o.StartTime, startTime), startTime)))
	err := o.Lend(func(ids []byte, fds []int) error {
		o.at("lent")
		return send(c.conn, msgLent, ids, fds...)
	})
	if err == nil {
		err = send(c.conn, msgLent, nil)
	}
	if err == nil {
		_, err = expect(c.conn, msgKept)
	}
	o.at("kept")
	return err
}

// end makes sure that the new process does not take over, and returns the reason in words. The new process must not see the end of the
// pair before that.
func (c *peer) end(err error) error {
	alive := false
	switch {
	case c.child != nil:
		c.kill()
		c.child.Wait()
	case !isEnd(err):
		alive = !c.stop()
	}
	if !alive {
		defer c.conn.Close()
	}
	var why failure
	if isEnd(err) {
		if _, last := expect(c.conn, msgReady); errors.As(last, &why) { // it has said why before its end
			err = why
		}
	}
	switch {
	case alive:
		return fmt.Errorf("%w: %w", errAlive, inWords(err))
	case c.child == nil && isEnd(err):
		return errors.New("the process before this one has not got the new program: its log says why")
	}
	return inWords(err)
}

// errAlive: the process that should have taken over may be alive. It takes nothing over.
var errAlive = errors.New("a process hangs that cannot be killed")

// stop ends a process that is not a child of this one, and reports whether it has ended or has become another program. It may be the
// first one of a container, which nobody can kill: if that ever goes on, it finds the message, and ends. The pair stays open then, so
// that it never sees the end of the pair without the message.
func (c *peer) stop() (ended bool) {
	c.conn.SetDeadline(time.Now().Add(stopTime))
	_ = send(c.conn, msgStop, nil)
	if !c.ends() {
		c.kill()
		c.conn.SetDeadline(time.Now().Add(stopTime))
		return c.ends()
	}
	return true
}

// ends waits for the end of the pair until its deadline.
func (c *peer) ends() bool {
	for {
		if _, _, err := c.conn.Receive(); err != nil {
			return isEnd(err)
		}
	}
}

// stopTime is how long a stand-in waits for a process that has failed or hangs: until that has ended by itself, and then until it
// was killed.
const stopTime = time.Second

// kill kills the new process, unless another one may have its pid by now.
func (c *peer) kill() {
	switch {
	case c.child != nil:
		c.child.Signal(unix.SIGKILL)
	case c.pid == os.Getppid():
		unix.Kill(c.pid, unix.SIGKILL)
	}
}

// isEnd reports whether an error of the pair means that the new process has closed its end.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
}

// inWords returns an error of the pair as an operator needs it.
func inWords(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("the new process was not ready in time")
	case isEnd(err):
		return errors.New("the new process has ended: its log says why")
	}
	return err
}
