package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/upgrade"
	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/room/engine"
)

// A handover gives everything that the program has to another process: the old side of a live upgrade. See package upgrade for the
// order of its methods.
type handover struct {
	*program
	held  *netpoll.Held // the server of the clients; nil: it is not held
	inner *netpoll.Held // the internal server
	asker *os.File      // the connection of webim upgrade, if this process ends without an answer; nil: there is none
	hello upgrade.Hello // of the new process
	gc    int           // the GC percentage from before the move
}

const (
	// freezeTime limits the time until everything stands still. The calls that wait for it end with an error after that, and
	// everybody goes on.
	freezeTime = 5 * time.Second
	// moveTime limits the time until the new process has everything. While that opens a store, it is the only limit: there is no sign by
	// which a store that opens slowly differs from one that hangs, because both may wait for a single read or fsync of a slow disk, or
	// for a server of NATS. A lower limit would give up a move that succeeds, and the old process would have to open the same store,
	// which takes as long again. Above it, clients that ping every 25 s and wait 10 s for the answer, as SDKs do, would begin to leave.
	moveTime = 15 * time.Second
	// requestTime is how long the upgrade waits for a moment without a request to the server API.
	requestTime = time.Second
	// bodyTime is how long everybody waits for the rest of a request that has begun to come.
	bodyTime = 20 * time.Millisecond
	// ownFiles is the number of descriptors that the new process needs besides those of clients.
	ownFiles = 64
)

// old returns the old side of an upgrade.
func (h *handover) old() (*upgrade.Old, error) {
	binary, err := programPath(os.Args[0])
	return &upgrade.Old{Binary: binary, Args: os.Args[1:], Env: environWithoutPID(), FreezeTime: freezeTime, MoveTime: moveTime, Store: h.cfg.StoreEngine != config.EngineMemory,
		Check: h.check, Lend: h.server.Lend, TakeBack: h.server.TakeBack, Settle: h.settle,
		Freeze: h.freeze, Thaw: h.thaw, Files: h.files, Write: h.write, Commit: h.commit, Release: h.release}, err
}

// handOver starts a new process and gives it everything. stayed is the number of connections that it could not take.
func (p *program) handOver(ctx context.Context) (v upgrade.Verdict, stayed int, err error) {
	h := &handover{program: p}
	old, err := h.old()
	if err != nil {
		return v, 0, err
	}
	p.manager.Reloading()
	v, err = old.Spawn(ctx)
	var lost *upgrade.LostError
	if err != nil && !errors.As(err, &lost) {
		p.manager.Serving()
		return v, 0, err
	}
	p.manager.Main(v.PID)
	p.manager.Serving()
	return v, h.held.Stayed(), err
}

// programPath returns the path of the program that was started by a name, whatever file has that path now.
func programPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("the program was started as %s, and cannot be started so again: %w", name, err)
	}
	return path, nil
}

// environWithoutPID returns the environment for the new process. The service manager's watchdog is for whichever process is the
// main one, so the variable that names this process stays out.
func environWithoutPID() (all []string) {
	for _, one := range os.Environ() {
		if one != "WATCHDOG_PID="+strconv.Itoa(os.Getpid()) {
			all = append(all, one)
		}
	}
	return all
}

// open returns the number of open connections, also those to the internal server.
func (h *handover) open() int {
	n := h.server.Stats().Open
	if h.program.inner != nil {
		n += h.program.inner.server.Stats().Open
	}
	return int(n)
}

// check refuses a new process that cannot take everything, while everybody is still served.
func (h *handover) check(hello upgrade.Hello) error {
	h.hello = hello
	if _, ok := h.hub.Engine().(engine.Movable); !ok {
		return errors.New("the engine cannot move")
	}
	if need := uint64(h.open()) + ownFiles; hello.Files < need {
		return fmt.Errorf("the new process may open %d files, and needs %d", hello.Files, need)
	}
	return h.Memory.Room()
}

// settle collects garbage, and waits for a moment without a request to the server API.
func (h *handover) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	h.gate.LimitBodies(requestTime / 2)
	runtime.GC()          // there is none while everybody waits, and memory that was in use needs no new pages, see warm
	_ = h.gate.Empty(ctx) // under load there is no such moment: then freeze waits
}

// freeze stops the server, the rooms and the engine.
func (h *handover) freeze(ctx context.Context) (err error) {
	if h.held, err = h.server.Hold(ctx); err != nil {
		return err
	}
	h.gc = debug.SetGCPercent(-1) // a collection would only make everybody wait for longer
	if h.program.inner != nil {
		if h.inner, err = h.program.inner.server.Hold(ctx); err != nil {
			return err
		}
	}
	h.gate.Close() // the requests that have not begun go back to the servers, which are held, as far as they can
	h.gate.LimitBodies(bodyTime)
	requests, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	if h.gate.Empty(requests) != nil {
		return fmt.Errorf("a request to the server API takes longer than %v", requestTime)
	}
	if err := h.hub.Quiesce(ctx); err != nil {
		return err
	}
	if h.inner != nil {
		if err := h.inner.Freeze(ctx); err != nil {
			return err
		}
	}
	return h.held.Freeze(ctx)
}

// thaw lets everything go on, also after freeze has failed.
func (h *handover) thaw() {
	h.server.TakeBack()
	if h.held == nil {
		return
	}
	if err := h.hub.Thaw(); err != nil {
		h.log.Error("after the upgrade has failed the store cannot be used yet", "err", err)
	}
	debug.SetGCPercent(h.gc)
	h.held.Thaw()
	if h.inner != nil {
		h.inner.Thaw()
	}
	h.gate.Open()
}

// The names of the files of a handover.
const (
	fileClients  = "clients"  // a listener of the clients' server, with its address
	fileInternal = "internal" // a listener of the internal server, with its address
	fileStore    = "store"    // the lock of the store's folder
)

// listenerName returns the name of the file of a listener. The new process asks for the address that its settings name.
func listenerName(kind, network, addr string) string {
	return kind + " " + cmp.Or(network, "tcp") + " " + addr
}

// files returns the descriptors that the new process needs.
func (h *handover) files() (all []upgrade.File) {
	for _, l := range h.server.Listeners() {
		all = append(all, upgrade.File{Name: listenerName(fileClients, l.Network, l.Addr), FD: l.FD})
	}
	if h.program.inner != nil {
		for _, l := range h.program.inner.server.Listeners() {
			all = append(all, upgrade.File{Name: listenerName(fileInternal, l.Network, l.Addr), FD: l.FD})
		}
	}
	if h.store != nil {
		if lock := h.store.Lock(); lock != nil {
			all = append(all, upgrade.File{Name: fileStore, FD: int(lock.Fd())})
		}
	}
	if h.asker != nil {
		all = append(all, upgrade.File{Name: fileAsker, FD: int(h.asker.Fd())})
	}
	return all
}

// write writes the state down.
func (h *handover) write(w *upgrade.Writer, _ uint64) error {
	var e snapshot.Encoder
	frame := func(kind upgrade.Kind, f func(*snapshot.Encoder)) error {
		e.B = e.B[:0]
		f(&e)
		return w.Frame(kind, e.B)
	}
	if err := frame(upgrade.Program, h.export); err != nil {
		return err
	}
	if err := frame(upgrade.Engine, h.hub.Engine().(engine.Movable).Export); err != nil {
		return err
	}
	if err := frame(upgrade.Hub, h.hub.Export); err != nil {
		return err
	}
	if err := w.Frame(upgrade.Server, h.held.State()); err != nil {
		return err
	}
	moved, err := h.held.Export(h.hello.Shares, w.Conns)
	if err != nil {
		return err
	}
	w.SetMoved(moved)
	if err := frame(upgrade.Stayed, h.hub.ExportStayed); err != nil || h.inner == nil || !h.hello.Inner {
		return err
	}
	if err := w.Frame(upgrade.Inner, h.inner.State()); err != nil {
		return err
	}
	_, err = h.inner.Export(h.hello.Shares, w.InnerConns) // those of which the head of a request has not come, or waits
	return err
}

// export writes down the state of the program itself.
func (h *handover) export(e *snapshot.Encoder) {
	if !h.HasSecret() { // otherwise it is derived from one that the new settings may not have any more
		e.Bytes(1, h.guestSecret)
	}
	e.Uint(2, uint64(h.server.Stats().Open))
	e.String(3, h.cfg.StoreEngine)
	e.Message(4, h.flights.Export)
	if t := h.from; t != nil && t.from.StandsIn() {
		e.Uint(5, uint64(max(0, h.from.stayed)))
	}
}

func (h *handover) commit() error {
	if h.inner != nil {
		if err := h.inner.Commit(); err != nil {
			return err
		}
	}
	return h.held.Commit()
}

// release leaves everything to the new process. What has stayed goes on until leave closes it.
func (h *handover) release() {
	debug.SetGCPercent(h.gc)
	h.hub.Moved()
	h.held.Release()
	if h.inner != nil {
		h.inner.Release()
	}
	h.gate.Retire()
	h.health.Drain()
}

// leave closes the connections that have stayed in this process, after another one has taken the rest.
func (p *program) leave() {
	p.closeServers(context.Background())
	p.log.Info("ended, and another process goes on")
}

// sentence returns the verdict of an upgrade that has succeeded.
func sentence(v upgrade.Verdict, stayed int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "moved: the process %d (webim %s) serves %d clients, which waited for %v", v.PID, v.Hello.Version, v.Conns, v.Stall.Round(time.Millisecond))
	if stayed > 0 {
		fmt.Fprintf(&b, "; %d could not move and reconnect", stayed)
	}
	if v.Note != "" {
		b.WriteString("; " + v.Note)
	}
	return b.String()
}
