package upgrade

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/fdpass"
	"webim/netpoll/snapshot"
)

// New is a process that takes over from another one. One goroutine uses it.
type New struct {
	conn    link
	files   map[string]int
	stream  *reader
	fds     []int // of the connections of the part
	conns   int   // of Conns, so far
	borrow  func(ids []byte, fds []int) error
	version uint64 // of the state

	rehearsal bool      // it takes nothing over
	inPlace   bool      // the old program had this process before
	began     time.Time // when everything stood still, in place

	step func(name string) // tests end the process there
}

// ErrRehearsed is the error of Ready in a rehearsal that has ended well.
var ErrRehearsed = errors.New("upgrade: the rehearsal has ended")

// Inherit returns the New of this process; nil if it was not started by an upgrade. It is called first of all: it closes
// the descriptors that the old process has left open by accident.
func Inherit() (*New, error) {
	text, rehearsal := os.Getenv(envName), os.Getenv(envRehearsal) != ""
	if text == "" {
		return nil, nil
	}
	os.Unsetenv(envName) // processes that this one starts are no upgrades
	os.Unsetenv(envRehearsal)
	number, exec := strings.CutPrefix(text, inPlace)
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s is %q, which only webim itself sets: unset it", envName, text)
	}
	n := &New{files: map[string]int{}, rehearsal: rehearsal, inPlace: exec}
	if exec {
		n.conn, err = openTape(fd)
	} else {
		n.conn, err = openPair(fd)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is set, and its descriptor is wrong: %w", envName, err)
	}
	return n, nil
}

// openPair returns this process's end of a pair, and closes the descriptors that were left open by accident.
func openPair(fd int) (link, error) {
	unix.CloseOnExec(fd)
	if err := closeOthers(); err != nil {
		return nil, err
	}
	return fdpass.FromFile(os.NewFile(uintptr(fd), "handover"))
}

// Rehearsal reports whether this process only tries to take over: then nobody else may notice it, and Ready returns ErrRehearsed.
func (n *New) Rehearsal() bool { return n != nil && n.rehearsal }

// InPlace reports whether this program has taken the place of the old one in the same process: then there is no way back.
func (n *New) InPlace() bool { return n != nil && n.inPlace }

// closeOthers closes the descriptors above the standard streams that an exec would hand down: this process has made
// none of them.
func closeOthers() error {
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("upgrade: finding open files: %w", err)
	}
	for _, e := range dir {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}

// Hello tells the old process that this one can begin, and waits until everything stands still there and the files have
// come. Before that, the old process may lend descriptors of connections: borrow gets them and owns them. If it is nil, none come.
func (n *New) Hello(version string, files uint64, borrow func(ids []byte, fds []int) error) error {
	h := Hello{Oldest: snapshot.Oldest, Newest: snapshot.Version, Files: files, Version: version, InPlace: true, Inner: true, Borrows: borrow != nil, Tells: true}
	n.borrow = borrow
	var e snapshot.Encoder
	h.append(&e)
	n.at("hello")
	if err := send(n.conn, msgHello, e.B); err != nil {
		return err
	}
	for n.stream == nil || n.stream.end == 0 {
		if err := n.receive(); err != nil {
			return err
		}
	}
	n.at("files")
	kind, payload, err := n.stream.next()
	if err != nil {
		return err
	}
	var size int
	if n.version, size = binary.Uvarint(payload); kind != Begin || size <= 0 || n.version < snapshot.Oldest || n.version > snapshot.Version {
		return errStream
	}
	return nil
}

// Version returns the version of the state, after Hello.
func (n *New) Version() uint64 { return n.version }

// File returns the descriptor of a file that the old process has passed on. The caller owns it from then on.
func (n *New) File(name string) (fd int, ok bool) {
	fd, ok = n.files[name]
	delete(n.files, name)
	return fd, ok
}

// receive takes the next message of the old process.
func (n *New) receive() error {
	msg, fds, err := n.conn.Receive()
	if err == io.EOF {
		return errors.New("the old process has ended before this one had everything")
	}
	if err != nil {
		return err
	}
	end, size := binary.Uvarint(msg[1:])
	switch {
	case msg[0] == msgLent && n.borrow != nil && n.stream == nil && len(msg) > 1:
		n.at("borrow")
		return n.borrow(msg[1:], fds)
	case msg[0] == msgLent && n.borrow != nil && n.stream == nil && len(fds) == 0:
		return send(n.conn, msgKept, nil)
	case msg[0] == msgFile && len(fds) == 1 && string(msg[1:]) == stateFile:
		n.stream = &reader{file: os.NewFile(uintptr(fds[0]), stateFile)}
	case msg[0] == msgFile && len(fds) == 1:
		n.files[string(msg[1:])] = fds[0]
	case msg[0] == msgPart && n.stream != nil && size > 0 && int64(end) > n.stream.end && n.fds == nil:
		n.stream.end, n.fds = int64(end), fds
		absent, _ := binary.Uvarint(msg[1+size:]) // descriptors, in a rehearsal
		n.stream.fds += uint64(len(fds)) + absent
	default:
		closeAll(fds)
		return fmt.Errorf("upgrade: a message %q of %d bytes with %d descriptors came at a wrong time", msg[0], len(msg), len(fds))
	}
	return nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// Next returns the next frame. The caller owns the descriptors of a frame of Conns or InnerConns. The kind Ending has no payload: then the
// state is complete.
func (n *New) Next() (kind Kind, payload []byte, fds []int, err error) {
	for {
		kind, payload, err = n.stream.next()
		if err != io.EOF {
			break
		}
		n.at("part")
		if err := n.receive(); err != nil {
			return 0, nil, nil, err
		}
	}
	if kind == Conns || kind == InnerConns {
		fds, n.fds = n.fds, nil
	}
	if kind == Conns {
		n.conns += len(fds)
	}
	return kind, payload, fds, err
}

// Ready tells the old process that this one has everything, and returns when this one owns the sockets: when the old
// process says so, or has died. An error means that it does not own them, and ends.
func (n *New) Ready() error {
	n.at("ready")
	if err := send(n.conn, msgReady, nil); err != nil {
		return err
	}
	n.at("wait")
	msg, fds, err := n.conn.Receive()
	closeAll(fds)
	switch {
	case err == io.EOF && !n.rehearsal:
	case err != nil:
		return err
	case msg[0] == msgEnd && n.rehearsal:
		return ErrRehearsed
	case msg[0] != msgGo || n.rehearsal:
		return fmt.Errorf("upgrade: the message %q came at a wrong time", msg[0])
	case n.inPlace:
		began, _ := binary.Varint(msg[1:])
		n.began = time.Unix(0, began)
	}
	n.at("go")
	return nil
}

// Verdict returns the outcome of an upgrade in place, after Ready. note is that of Done.
func (n *New) Verdict(version string, note string) Verdict {
	return Verdict{PID: os.Getpid(), Hello: Hello{Version: version}, Conns: n.conns, Stall: time.Since(n.began), Note: note}
}

// Done tells the old process that this one serves, with a note for the Verdict, and ends the protocol. Files that nobody has
// asked for are closed.
func (n *New) Done(note string) {
	_ = send(n.conn, msgDone, []byte(note)) // the old process may have died
	n.close()
}

// Fail tells the old process why this one ends. The caller then ends the process.
func (n *New) Fail(why error) {
	text := why.Error()
	_ = send(n.conn, msgFailed, []byte(text[:min(len(text), fdpass.MaxMessage/2)])) // the old process sees the end of this one, too
	n.close()
}

func (n *New) close() {
	for _, fd := range n.files {
		unix.Close(fd)
	}
	closeAll(n.fds)
	if n.stream != nil {
		n.stream.file.Close()
	}
	n.conn.Close()
}

func (n *New) at(step string) {
	if n.step != nil {
		n.step(step)
	}
}
