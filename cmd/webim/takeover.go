package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"webim/cmd/webim/internal/children"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/upgrade"
	"webim/cmd/webim/internal/version"
	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/room/engine"
	"webim/room/guest"
)

// inherited is the way to the process that this one takes over from; nil: it starts by itself. main sets it.
var inherited *upgrade.New

// A takeover is the new side of a live upgrade: a program that begins with the connections and the rooms of another process. start
// calls its methods in this order: hold, hello, importEngine, holdInner, restore, begin.
type takeover struct {
	*program
	from        *upgrade.New
	held, inner *netpoll.Held
	before      int      // open connections of the old process
	stayed      int      // those of them that this one has not, and, in place, those that had not come to the stand-in
	gc          int      // the GC percentage for afterwards
	asker       *os.File // of a stand-in: see handover
}

// newTakeover returns the takeover of a program that inherits; otherwise nil.
func newTakeover(p *program, from *upgrade.New) *takeover {
	if from == nil {
		return nil
	}
	return &takeover{program: p, from: from}
}

// takingOver reports whether the program takes over from another one.
func (t *takeover) takingOver() bool { return t != nil }

// hello tells the old process that this one can begin, borrows the sockets of clients, and waits until that process stands still.
func (t *takeover) hello() error {
	n := 0
	borrow := func(ids []byte, fds []int) error {
		n += len(fds)
		return t.held.Borrow(ids, fds)
	}
	return t.from.Hello(version.Release, t.Files, borrow, func() { warm(n) })
}

// movedSize is about the memory that a process takes to restore a connection.
const movedSize = 1 << 10

// warm takes the memory for n connections from the kernel while everybody is still served. To use a page for the first time takes longer
// than all else that a connection needs.
func warm(n int) {
	gc := debug.SetGCPercent(-1) // the collector would only be in the way, and give the memory back
	defer debug.SetGCPercent(gc)
	const piece = 64 << 10
	all := make([][]byte, n*movedSize/piece)
	for i := range all {
		all[i] = make([]byte, piece)
		for at := 0; at < piece; at += 4 << 10 {
			all[i][at] = 1
		}
	}
	runtime.GC() // nobody needs the pieces any more
}

// importEngine reads the state of the engine, which must be there before the rooms.
func (t *takeover) importEngine(e engine.Engine) error {
	t.gc = debug.SetGCPercent(-1) // see handover.freeze
	for {
		kind, payload, _, err := t.from.Next()
		switch {
		case err != nil:
			return err
		case kind == upgrade.Program:
			err = t.importProgram(payload)
		case kind == upgrade.Engine:
			movable, ok := e.(engine.Movable)
			if !ok {
				return fmt.Errorf("the engine %s cannot take over", t.cfg.StoreEngine)
			}
			return movable.Import(payload)
		default:
			return fmt.Errorf("the state of the old process begins with a frame of the kind %d", kind)
		}
		if err != nil {
			return err
		}
	}
}

// importProgram reads the state of the program itself: the secret of guests, if it is not derived from one in the settings, the
// number of connections, and the records of those that have ended.
func (t *takeover) importProgram(state []byte) error {
	d := snapshot.Decode(state)
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			if t.HasSecret() {
				continue
			}
			t.guestSecret = append([]byte(nil), d.Bytes()...)
			guests, err := guest.New(t.guestSecret)
			if err != nil {
				return err
			}
			t.guests.Replace(guests)
		case 2:
			t.before = int(min(d.Uint(), 1<<31))
		case 3:
			if engine := d.String(); engine != t.cfg.StoreEngine {
				return fmt.Errorf("the engine was %s and is %s now, which needs a restart", engine, t.cfg.StoreEngine)
			}
		case 4:
			if err := t.flights.Import(d.Message()); err != nil {
				return err
			}
		case 5:
			t.stayed = int(min(d.Uint(), 1<<31))
		}
	}
	return d.Err()
}

// hold makes the server of clients stand still until begin.
func (t *takeover) hold() (err error) {
	t.held, err = frozen(t.server)
	return err
}

// holdInner is hold for the internal server.
func (t *takeover) holdInner() (err error) {
	t.inner, err = frozen(t.program.inner.server)
	return err
}

// frozen makes a server stand still that nobody uses yet.
func frozen(s *netpoll.Server) (*netpoll.Held, error) {
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	held, err := s.Hold(ctx)
	if err == nil {
		err = held.Freeze(ctx)
	}
	return held, err
}

// inherit returns the function by which package listen finds the listeners of the old process; nil if there is none.
func (p *program) inherit(kind string) func(network, addr string) int {
	if p.from == nil {
		return nil
	}
	return func(network, addr string) int {
		fd, _ := p.from.from.File(listenerName(kind, network, addr))
		return fd
	}
}

// inheritLock returns the lock of the store's folder that the old process has, or nil.
func (p *program) inheritLock() *os.File {
	if p.from == nil {
		return nil
	}
	fd, ok := p.from.from.File(fileStore)
	if !ok {
		return nil
	}
	return os.NewFile(uintptr(fd), fileStore)
}

// restore reads the rooms and the connections.
func (t *takeover) restore() error {
	var stayed []byte
	for {
		kind, payload, fds, err := t.from.Next()
		if err != nil {
			return err
		}
		switch kind {
		case upgrade.Hub:
			err = t.hub.Restore(payload)
		case upgrade.Server:
			err = t.held.Restore(payload)
		case upgrade.Conns:
			err = t.held.Adopt(payload, fds)
		case upgrade.Stayed:
			stayed = payload
		case upgrade.Inner:
			if t.inner != nil {
				err = t.inner.Restore(payload)
			}
		case upgrade.InnerConns:
			err = t.adoptInner(payload, fds)
		case upgrade.Ending:
			t.stayed += t.before - int(t.server.Stats().Open)
			if err := t.hub.Resume(stayed); err != nil {
				return err
			}
			if t.inner != nil {
				if err := t.inner.Adopted(); err != nil {
					return err
				}
			}
			return t.held.Adopted()
		}
		if err != nil {
			return err
		}
	}
}

// adoptInner takes over connections of the internal server. They end if this program has none.
func (t *takeover) adoptInner(state []byte, fds []int) error {
	if t.inner != nil {
		return t.inner.Adopt(state, fds)
	}
	for _, fd := range fds {
		unix.Close(fd)
	}
	return nil
}

// standsIn reports whether this process is a stand-in.
func (t *takeover) standsIn() bool { return t != nil && t.from.StandsIn() }

// begin waits until the old process has given everything up, and serves.
func (t *takeover) begin() error {
	if err := t.from.Ready(); err != nil {
		return err
	}
	if err := t.hub.Thaw(); err != nil {
		t.log.Error("after the upgrade the store cannot be used yet", "err", err)
	}
	t.held.Thaw()
	debug.SetGCPercent(t.gc)
	if t.inner != nil {
		t.inner.Thaw()
	}
	inherited = nil // from now on an error is this process's own
	note := ""
	if e, ok := t.hub.Engine().(engine.Interrupter); ok && e.Interruption() > 0 {
		note = fmt.Sprintf("the store could not be used for %v", e.Interruption().Round(time.Millisecond))
	}
	switch {
	case t.from.InPlace():
		t.report(note)
	case t.from.StandsIn():
		if fd, ok := t.from.File(fileAsker); ok {
			t.asker = os.NewFile(uintptr(fd), fileAsker)
		}
		fallthrough
	default:
		t.log.Info("took over from another process", "clients", t.server.Stats().Open, "store", cmp.Or(note, "was not interrupted"))
	}
	t.from.Done(note)
	t.hub.Rejudge() // the settings may be others
	return nil
}

// report tells the outcome of an upgrade in place.
func (t *takeover) report(note string) {
	v := t.from.Verdict(version.Release, int(t.server.Stats().Open), note)
	t.log.Info("upgraded in place: this process has a new program", "pid", v.PID, "version", v.Hello.Version, "clients", v.Conns,
		"stayed", t.stayed, "stall", v.Stall.Round(time.Microsecond), "note", note)
	if fd, ok := t.from.File(fileAsker); ok {
		operator.AnswerOn(os.NewFile(uintptr(fd), fileAsker), sentence(v, t.stayed), nil)
	}
}

// fail tells the old process why this one cannot take over, and ends this one: no connection is closed, because the old process still
// has them all.
func (t *takeover) fail(err error) {
	t.from.Fail(err)
	fmt.Fprintf(os.Stderr, "webim: %v.\n", err)
	if t.from.InPlace() {
		t.signals.passOn(children.Find(t.from.Other()))
	}
	os.Exit(notTaken(t.from))
}

// notTaken returns the exit code of a program that cannot take over. In place it does not return: this process waits for the stand-in.
func notTaken(from *upgrade.New) int {
	if from.InPlace() {
		signal.Ignore(syscall.SIGHUP, syscall.SIGUSR2) // see mute
		fmt.Fprintf(os.Stderr, "webim: %v.\n", from.Guard())
	}
	return exitFailed
}
