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

	"webim/netpoll/fdpass"
	"webim/netpoll/snapshot"
)

// child is the new process, as the old one sees it.
type child struct {
	conn *fdpass.Conn
	cmd  *exec.Cmd
}

// start starts the new process, with an end of the pair as its descriptor 3, and with variables in its environment.
func (o *Old) start(vars ...string) (*child, error) {
	own, other, err := fdpass.Pair()
	if err != nil {
		return nil, err
	}
	defer other.Close()
	cmd := exec.Command(o.Binary, o.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, []*os.File{other}
	cmd.Env = append(o.environ(), vars...)
	if err := cmd.Start(); err != nil {
		own.Close()
		return nil, fmt.Errorf("starting the new program: %w", err)
	}
	return &child{own, cmd}, nil
}

// hello waits until the new process is there, and checks whether it can take over.
func (o *Old) hello(c *child) (Hello, error) {
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
	if err == nil && o.Check != nil {
		err = o.Check(h)
	}
	o.at("hello")
	return h, err
}

// lend gives the new process the descriptors of connections, and waits until it has registered them.
func (o *Old) lend(c *child, h Hello) error {
	if o.Lend == nil || !h.Borrows {
		return nil
	}
	c.conn.SetDeadline(time.Now().Add(cmp.Or(o.StartTime, startTime)))
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

// end kills the new process, waits for its end, and returns the reason in words. The new process must not see the end of the
// pair before that: it would take over.
func (c *child) end(err error) error {
	c.cmd.Process.Kill()
	c.cmd.Wait()
	if isEnd(err) {
		var why failure
		if _, last := expect(c.conn, msgReady); errors.As(last, &why) { // it has said why before its end
			err = why
		}
	}
	c.conn.Close()
	return inWords(err)
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
