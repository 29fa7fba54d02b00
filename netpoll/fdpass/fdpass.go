// Package fdpass sends messages with descriptors from one process to another, over a pair of sockets that
// the new process inherits: SCM_RIGHTS on SOCK_SEQPACKET. So no path is needed, and nobody else can connect.
//
// A sent descriptor is a second reference to the same open socket. The receiver has it closed on exec from
// its first moment on. The sender keeps its own and closes it when it wants to.
package fdpass

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// MaxFDs is the number of descriptors that one message may have: the kernel's limit.
	MaxFDs = 253
	// MaxMessage is the number of bytes that one message may have.
	MaxMessage = 32 << 10
)

// busyPause is the time until Send tries again while the kernel has too many descriptors in flight.
const busyPause = time.Millisecond

var (
	// ErrTruncated: descriptors or bytes of a message are lost. The table of descriptors of the receiver is
	// full, or the message is larger than MaxMessage.
	ErrTruncated = errors.New("fdpass: a message was cut: the receiver may have too few free descriptors")
	errTooLarge  = errors.New("fdpass: a message must have between 1 and 32,768 bytes, and at most 253 descriptors")
)

// A Conn is one end of the pair. One goroutine may send while another one receives.
type Conn struct {
	c      *net.UnixConn
	buf    []byte
	oob    []byte
	unread bool
}

// Pair makes a pair. The caller passes other to the new process, which calls FromFile, and closes it.
func Pair() (own *Conn, other *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("fdpass: making a pair of sockets: %w", err)
	}
	other = os.NewFile(uintptr(fds[1]), "handover")
	if own, err = FromFile(os.NewFile(uintptr(fds[0]), "handover")); err != nil {
		other.Close()
		return nil, nil, err
	}
	return own, other, nil
}

// FromFile makes a Conn of an end of a pair, and closes the file.
func FromFile(f *os.File) (*Conn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("fdpass: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("fdpass: the descriptor is no Unix socket")
	}
	return &Conn{c: u, buf: make([]byte, MaxMessage), oob: make([]byte, unix.CmsgSpace(4*MaxFDs))}, nil
}

// SetDeadline sets the time at which Send and Receive fail with os.ErrDeadlineExceeded. It must not be called
// while one of them runs, unless the time has passed already.
func (c *Conn) SetDeadline(t time.Time) {
	_ = c.c.SetDeadline(t) // it fails only if c is closed, which the next call shows
}

// File returns a second descriptor of this end, for a program that takes the place of this one. No other process inherits it, and the
// caller closes it.
func (c *Conn) File() (*os.File, error) {
	f, err := c.c.File()
	if err != nil {
		return nil, fmt.Errorf("fdpass: %w", err)
	}
	return f, nil
}

// Close closes this end. Descriptors of messages that nobody has received are closed by the kernel.
func (c *Conn) Close() error { return c.c.Close() }

// Send sends one message with descriptors. It waits while the other end has not received the messages before.
//
// The kernel limits the descriptors in flight of a user. While they are too many, Send tries again until the
// deadline.
func (c *Conn) Send(msg []byte, fds ...int) error {
	if len(msg) == 0 || len(msg) > MaxMessage || len(fds) > MaxFDs {
		return errTooLarge
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	var busy error // the refusal that Send waits out
	for {
		_, _, err := c.c.WriteMsgUnix(msg, oob, nil)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && busy != nil:
			return fmt.Errorf("fdpass: sending %d descriptors: %w", len(fds), busy)
		case !errors.Is(err, unix.ETOOMANYREFS):
			return fmt.Errorf("fdpass: sending %d descriptors: %w", len(fds), err)
		}
		busy = err
		time.Sleep(busyPause)
	}
}

// Receive receives the next message. msg is valid until the next call. The caller owns the descriptors, which
// are closed on exec. The error is io.EOF when the other end is closed, and ErrTruncated if something of
// the message is lost; then Receive has closed the rest.
func (c *Conn) Receive() (msg []byte, fds []int, err error) {
	n, oobn, flags, _, err := c.c.ReadMsgUnix(c.buf, c.oob)
	if errors.Is(err, unix.ECONNRESET) { // the kernel says so once, before it gives out the last messages
		c.unread = true
		n, oobn, flags, _, err = c.c.ReadMsgUnix(c.buf, c.oob)
	}
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil, io.EOF
	case err != nil:
		return nil, nil, fmt.Errorf("fdpass: receiving: %w", err)
	}
	fds, err = descriptors(c.oob[:oobn])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = ErrTruncated
	}
	if err != nil {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, nil, err
	}
	return c.buf[:n], fds, nil
}

// Unread reports, after Receive has returned io.EOF, whether the other end was closed before it had received every message.
func (c *Conn) Unread() bool { return c.unread }

// descriptors returns the descriptors in control messages.
func descriptors(oob []byte) (fds []int, err error) {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("fdpass: %w", err)
	}
	for i := range all {
		if all[i].Header.Type != unix.SCM_RIGHTS {
			continue
		}
		some, err := unix.ParseUnixRights(&all[i])
		if err != nil {
			return fds, fmt.Errorf("fdpass: %w", err)
		}
		fds = append(fds, some...)
	}
	return fds, nil
}
