package upgrade

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/fdpass"
	"webim/netpoll/snapshot"
)

// New is a process that takes over from another one. One goroutine uses it.
type New struct {
	conn    *fdpass.Conn
	files   map[string][]int // in the order in which they came
	stream  *reader
	fds     []int // of the connections of the part
	borrow  func(ids []byte, fds []int) error
	lent    func()
	version uint64 // of the state

	began  time.Time     // when everything stood still
	within time.Duration // of a stand-in: the time until the other process must be back; 0: it is none
	other  int           // the pid of the other process
	back   bool          // in place: the other process is the stand-in
	stood  time.Duration // in place: for which everything stood still before

	step func(name string) // tests end the process there
}

// Inherit returns the New of this process; nil if it was not started by an upgrade. It is called first of all: it closes
// the descriptors that the old process has left open by accident.
func Inherit() (*New, error) {
	guardPID, _ = strconv.Atoi(os.Getenv(envGuarded)) // nobody else sets it
	os.Unsetenv(envGuarded)
	text, standIn, back := os.Getenv(envName), os.Getenv(envStandIn), os.Getenv(envReturn)
	if text == "" {
		return nil, nil
	}
	for _, name := range ownVariables {
		os.Unsetenv(name) // processes that this one starts are no upgrades
	}
	n := &New{files: map[string][]int{}, other: os.Getppid()}
	if standIn != "" {
		guardPID = n.other
		if _, err := fmt.Sscan(standIn, (*int64)(&n.within)); err != nil || n.within <= 0 {
			return nil, fmt.Errorf("%s is %q, which only webim itself sets: unset it", envStandIn, standIn)
		}
	}
	if back != "" {
		var own int
		if _, err := fmt.Sscan(back, &own, &n.other, (*int64)(&n.stood)); err != nil {
			return nil, fmt.Errorf("%s is %q, which only webim itself sets: unset it", envReturn, back)
		}
		n.back = own == os.Getpid() // a program that does not know the variable may have passed it on
	}
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s is %q, which only webim itself sets: unset it", envName, text)
	}
	unix.CloseOnExec(fd)
	if err := closeOthers(); err != nil {
		return nil, err
	}
	if n.conn, err = fdpass.FromFile(os.NewFile(uintptr(fd), "handover")); err != nil {
		return nil, fmt.Errorf("%s is set, and its descriptor is wrong: %w", envName, err)
	}
	return n, nil
}

// StandsIn reports whether this process is a stand-in: it serves only until HandBack.
func (n *New) StandsIn() bool { return n != nil && n.within > 0 }

// InPlace reports whether this program has replaced another one in the same process, and takes back what the stand-in has.
func (n *New) InPlace() bool { return n != nil && n.back }

// Other returns the pid of the other process: in place, that of the stand-in.
func (n *New) Other() int { return n.other }

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
// come. Before that, the old process may lend descriptors of connections: borrow gets them and owns them, and lent is called when all
// have come, while everybody is still served. If borrow is nil, none come.
func (n *New) Hello(version string, files uint64, borrow func(ids []byte, fds []int) error, lent func()) error {
	h := Hello{Oldest: snapshot.Oldest, Newest: snapshot.Version, Files: files, Version: version, Inner: true, Borrows: borrow != nil, Tells: true, StandsIn: true, Shares: true}
	n.borrow, n.lent = borrow, lent
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

// File returns the descriptor of a file that the old process has passed on: the next one, if several have the name, as listeners on any
// free port do. The caller owns it from then on.
func (n *New) File(name string) (fd int, ok bool) {
	all := n.files[name]
	if len(all) == 0 {
		return 0, false
	}
	n.files[name] = all[1:]
	return all[0], true
}

// take returns the next message of the old process. errStopped: that does not wait for longer.
func (n *New) take() (msg []byte, fds []int, err error) {
	msg, fds, err = n.conn.Receive()
	if err == nil && msg[0] == msgStop {
		closeAll(fds)
		return nil, nil, errStopped
	}
	return msg, fds, err
}

// receive takes the next message of the old process, before Ready.
func (n *New) receive() error {
	msg, fds, err := n.take()
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
		n.lent()
		return send(n.conn, msgKept, nil)
	case msg[0] == msgFile && len(fds) == 1 && string(msg[1:]) == stateFile:
		n.stream = &reader{file: os.NewFile(uintptr(fds[0]), stateFile)}
	case msg[0] == msgFile && len(fds) == 1:
		name := string(msg[1:])
		n.files[name] = append(n.files[name], fds[0])
	case msg[0] == msgPart && n.stream != nil && size > 0 && int64(end) > n.stream.end && n.fds == nil:
		n.stream.end, n.fds = int64(end), fds
		n.stream.fds += uint64(len(fds))
	default:
		closeAll(fds)
		return fmt.Errorf("upgrade: a message %q of %d bytes with %d descriptors came at a wrong time", msg[0], len(msg), len(fds))
	}
	return nil
}

var errStopped = errors.New("the process that stands in has not waited for longer")

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// Next returns the next frame. The payload of a frame of Conns or InnerConns is valid until the next call; the caller owns its
// descriptors. The kind Ending has no payload: then the
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
	msg, fds, err := n.take()
	closeAll(fds)
	switch {
	case err == io.EOF:
	case err != nil:
		return err
	case msg[0] != msgGo:
		return fmt.Errorf("upgrade: the message %q came at a wrong time", msg[0])
	default:
		began, _ := binary.Varint(msg[1:])
		n.began = time.Unix(0, began)
	}
	n.at("go")
	return nil
}

// Verdict returns the outcome of an upgrade in place, after Ready: how long everybody waited, at the longest. note is that of Done.
func (n *New) Verdict(version string, conns int, note string) Verdict {
	stall := n.stood
	if !n.began.IsZero() { // otherwise the stand-in has died
		stall = max(stall, time.Since(n.began))
	}
	return Verdict{PID: os.Getpid(), Hello: Hello{Version: version}, Conns: conns, Stall: stall, Note: note}
}

// Done tells the old process that this one serves, with a note for the Verdict, and ends the protocol. Files that nobody has
// asked for are closed.
func (n *New) Done(note string) {
	_ = send(n.conn, msgDone, []byte(note)) // the old process may have died
	n.closeFiles()
	if n.within == 0 { // otherwise HandBack goes on with the pair
		n.conn.Close()
	}
}

// Fail tells the old process why this one ends. The caller then ends the process, or calls Guard: the old one waits for that.
func (n *New) Fail(why error) {
	text := why.Error()
	_ = send(n.conn, msgFailed, []byte(text[:min(len(text), fdpass.MaxMessage/2)])) // the old process sees the end of this one, too
	n.closeFiles()
}

func (n *New) closeFiles() {
	for _, fds := range n.files {
		closeAll(fds)
	}
	closeAll(n.fds)
	if n.stream != nil {
		n.stream.file.Close()
	}
}

func (n *New) at(step string) {
	if n.step != nil {
		n.step(step)
	}
}
