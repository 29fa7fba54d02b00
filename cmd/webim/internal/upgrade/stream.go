package upgrade

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Kind is the kind of a frame. It is written down, so the numbers do not change.
type Kind uint64

// The kinds of frames. They come in this order, except that there are any number of Conns and InnerConns.
const (
	Begin      Kind = iota + 1 // the version of the format
	Engine                     // the engine of the rooms
	Hub                        // the rooms
	Server                     // the server of the clients
	Conns                      // connections; their descriptors come with them
	Stayed                     // the connections that stay behind
	Ending                     // how many frames and descriptors came before
	Program                    // what else the program keeps; it comes before Engine
	Inner                      // the internal server; it and InnerConns come before Ending, if Hello.Inner is set
	InnerConns                 // its connections, as Conns
)

// maxFrame is the size of the largest frame.
const maxFrame = 1 << 30

var errStream = errors.New("upgrade: the state is damaged, or of a format that this program does not know")

// newFile makes a file in memory.
func newFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate("webim-upgrade", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("upgrade: making a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// A Writer writes the frames of a state.
type Writer struct {
	file   *os.File
	end    int64
	part   func(end int64, fds []int) error // announces what was written
	frames uint64
	fds    uint64
	conns  int // that move
}

// Frame writes a frame of a kind.
func (w *Writer) Frame(kind Kind, payload []byte) error { return w.write(kind, payload, nil) }

// Conns writes a frame of connections, and passes their descriptors on, at most fdpass.MaxFDs.
func (w *Writer) Conns(payload []byte, fds []int) error {
	return w.write(Conns, payload, fds)
}

// InnerConns is Conns for the internal server.
func (w *Writer) InnerConns(payload []byte, fds []int) error {
	return w.write(InnerConns, payload, fds)
}

// SetMoved says how many connections of clients move.
func (w *Writer) SetMoved(n int) { w.conns = n }

func (w *Writer) write(kind Kind, payload []byte, fds []int) error {
	head := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(kind)), uint64(len(payload)))
	for _, b := range [][]byte{head, payload} {
		n, err := w.file.WriteAt(b, w.end)
		w.end += int64(n)
		if err != nil {
			return fmt.Errorf("upgrade: writing the state: %w", err)
		}
	}
	if kind != Ending {
		w.frames++
		w.fds += uint64(len(fds))
	}
	return w.part(w.end, fds)
}

// finish writes the last frame.
func (w *Writer) finish() error {
	return w.Frame(Ending, binary.AppendUvarint(binary.AppendUvarint(nil, w.frames), w.fds))
}

// reader reads the frames of a state.
type reader struct {
	file   *os.File
	at     int64
	end    int64 // everything before it was announced
	frames uint64
	fds    uint64
	last   Kind   // of the frame before
	conns  []byte // the payload of the last frame of connections
}

// next returns the next frame before the announced end; io.EOF if there is none. A payload of connections is valid until the next call.
// The caller has restored the frames before, which the old process sees by the offset of the file: from the frame of the engine on,
// because that may wait for a store.
func (r *reader) next() (kind Kind, payload []byte, err error) {
	if r.last != 0 && r.last != Begin && r.last != Program {
		_, _ = r.file.Seek(r.at, io.SeekStart)
	}
	if r.at == r.end {
		return 0, nil, io.EOF
	}
	head := make([]byte, min(2*binary.MaxVarintLen64, r.end-r.at))
	if _, err := r.file.ReadAt(head, r.at); err != nil {
		return 0, nil, fmt.Errorf("upgrade: reading the state: %w", err)
	}
	k, n := binary.Uvarint(head)
	size, m := binary.Uvarint(head[max(0, n):])
	start := r.at + int64(n+m)
	if n <= 0 || m <= 0 || size > maxFrame || int64(size) > r.end-start {
		return 0, nil, errStream
	}
	if Kind(k) == Conns || Kind(k) == InnerConns {
		r.conns = slices.Grow(r.conns[:0], int(size))[:size]
		payload = r.conns
	} else {
		payload = make([]byte, size)
	}
	if _, err := r.file.ReadAt(payload, start); err != nil && size > 0 {
		return 0, nil, fmt.Errorf("upgrade: reading the state: %w", err)
	}
	r.at, r.last = start+int64(size), Kind(k)
	if Kind(k) == Ending {
		return Ending, nil, r.checkCounts(payload)
	}
	r.frames++
	return Kind(k), payload, nil
}

// checkCounts compares the last frame with the frames before it.
func (r *reader) checkCounts(payload []byte) error {
	frames, n := binary.Uvarint(payload)
	fds, m := binary.Uvarint(payload[max(0, n):])
	if n <= 0 || m <= 0 || frames != r.frames || fds != r.fds {
		return errStream
	}
	return nil
}
