package upgrade

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/fdpass"
)

// A patient is the pair while the new process restores the state and nobody is served. It gives up when the new process has not got on
// for a while, and at the latest at its limit. The two processes share the offset of the file of the state: the new one moves it to the
// end of what it has restored.
type patient struct {
	*fdpass.Conn
	state *os.File
	limit time.Time
	look  time.Duration // the time between two looks; 0: the new process does not move the offset
	store bool          // the new process opens a store before it restores anything
}

const (
	// looks is the number of times in a row that the new process must be found where it was. If the whole machine
	// stands still for a while, that is one look.
	looks = 4
	// lookSize is the part of the state that may take one look more.
	lookSize = 8 << 20
)

// errStands: the new process hangs.
var errStands = errors.New("the new process hangs")

// Send implements link.
func (p *patient) Send(msg []byte, fds ...int) error {
	return p.try(func() error { return p.Conn.Send(msg, fds...) })
}

// Receive implements link.
func (p *patient) Receive() (msg []byte, fds []int, err error) {
	err = p.try(func() (err error) {
		msg, fds, err = p.Conn.Receive()
		return err
	})
	return msg, fds, err
}

// try calls f, which ends at the deadline of the pair, again and again while the new process gets on.
func (p *patient) try(f func() error) error {
	was := p.restored()
	for same := 0; ; {
		last := p.look == 0 || time.Now().Add(p.look).After(p.limit)
		if last {
			p.SetDeadline(p.limit)
		} else {
			p.SetDeadline(time.Now().Add(p.look))
		}
		err := f()
		if last || !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, unix.ETOOMANYREFS) {
			return err
		}
		same++
		if is := p.restored(); is != was {
			was, same = is, 0
		}
		if same >= looks+int(p.unread(was)/lookSize) && (was > 0 || !p.store) {
			return errStands
		}
	}
}

// restored returns the number of bytes of the state that the new process has restored.
func (p *patient) restored() int64 {
	at, _ := p.state.Seek(0, io.SeekCurrent) // a file in memory has an offset
	return at
}

// unread returns the number of bytes of the state behind the first n.
func (p *patient) unread(n int64) int64 {
	info, err := p.state.Stat()
	if err != nil {
		return 0
	}
	return info.Size() - n
}
