package upgrade

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// A tape is the link to a program that takes the place of this one in the same process. The old program records all messages, each
// with the numbers of its descriptors, which stay open. The new one plays them; its own messages have nobody to go to.
type tape struct {
	b   []byte // messages, not yet played in the new program
	fds []int  // all descriptors of the messages
}

// Send records a message.
func (t *tape) Send(msg []byte, fds ...int) error {
	t.b = append(binary.AppendUvarint(t.b, uint64(len(msg))), msg...)
	t.b = binary.AppendUvarint(t.b, uint64(len(fds)))
	for _, fd := range fds {
		t.b = binary.AppendUvarint(t.b, uint64(fd))
	}
	t.fds = append(t.fds, fds...)
	return nil
}

// Receive plays the next message.
func (t *tape) Receive() (msg []byte, fds []int, err error) {
	if len(t.b) == 0 {
		return nil, nil, io.EOF
	}
	size, ok := t.number()
	if !ok || size == 0 || size > uint64(len(t.b)) {
		return nil, nil, errTape
	}
	msg, t.b = t.b[:size], t.b[size:]
	n, ok := t.number()
	for ; n > 0 && ok; n-- {
		var fd uint64
		if fd, ok = t.number(); ok {
			fds = append(fds, int(fd))
		}
	}
	if !ok {
		return nil, nil, errTape
	}
	return msg, fds, nil
}

var errTape = errors.New("upgrade: the messages of the program before this one are damaged")

// number takes a number off the tape.
func (t *tape) number() (n uint64, ok bool) {
	n, size := binary.Uvarint(t.b)
	if size <= 0 || n > math.MaxInt32 {
		return 0, false
	}
	t.b = t.b[size:]
	return n, true
}

// Close implements link.
func (t *tape) Close() error { return nil }

// player is a tape in the new program.
type player struct{ tape }

// Send implements link.
func (*player) Send([]byte, ...int) error { return nil }

// openTape reads the tape of the old program from a descriptor, and has all descriptors closed on exec again.
func openTape(fd int) (link, error) {
	file := os.NewFile(uintptr(fd), "tape")
	defer file.Close()
	b, err := io.ReadAll(io.NewSectionReader(file, 0, math.MaxInt64))
	if err != nil {
		return nil, err
	}
	all := &tape{b: b}
	var fds []int
	for {
		_, some, err := all.Receive()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		fds = append(fds, some...)
	}
	closeOnExec(fds)
	return &player{tape{b: b}}, nil
}

// closeOnExec has descriptors closed on exec, and all others, too, if the kernel can do that at once.
func closeOnExec(fds []int) {
	if unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
}
