package upgrade

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"webim/netpoll/snapshot"
)

// Old is the process that runs. Its functions are called one after the other, by the goroutine that has called
// Spawn. The fields do not change meanwhile.
type Old struct {
	Binary    string   // the path of the new program
	Args, Env []string // of the new process, without its name
	// Check refuses the new process before anything stands still; nil: it never does.
	Check func(Hello) error
	// Lend passes ids of connections and their descriptors on, while everybody is still served. nil: it passes nothing. TakeBack ends
	// the loan if that fails, and Thaw and Release do so later.
	Lend     func(pass func(ids []byte, fds []int) error) error
	TakeBack func()
	// Settle waits for a good moment to freeze, while everybody is still served; nil: any is good.
	Settle func()
	// Freeze stops everything. It fails when ctx ends. Thaw lets everything go on, also after Freeze has failed.
	Freeze func(ctx context.Context) error
	Thaw   func()
	// Files returns the files that the new process gets, once everything stands still.
	Files func() []File
	// Write writes the frames of the state, in a version, and the descriptors.
	Write func(w *Writer, version uint64) error
	// Commit is the last check: after it, the new process owns the sockets. Release then leaves them to it.
	Commit  func() error
	Release func()

	// Store: the new process waits for a store before it restores the state.
	Store bool

	// Mute is called before Exec replaces this program, which handles no signals from then on, and has handled those before: one that
	// asks for the end of the process has ended the context of Exec. It returns the function that undoes that. nil: nothing is to be done.
	Mute func() (undo func())

	// LeaveTime is how long leave may take, of Exec.
	LeaveTime time.Duration
	// The times until the new process must be there, until everything must stand still, and until the new process
	// must have restored everything. 0: 15 s, 500 ms and 5 s.
	StartTime, FreezeTime, MoveTime time.Duration
	// StallTime is how long everything stands still for a new process that does not get on, and has no store to wait for. It is
	// longer if the process has a large state to restore. 0: 2 s.
	StallTime time.Duration

	inPlace bool              // the new process stands in for this one
	step    func(name string) // tests end the process there
}

// A File is a descriptor with a name.
type File struct {
	Name string
	FD   int
}

// A Verdict is the outcome of an upgrade.
type Verdict struct {
	PID   int           // of the new process
	Hello Hello         // of the new process
	Conns int           // that have moved
	Stall time.Duration // for which everything stood still
	Note  string        // of the new process, see New.Done
}

// Spawn starts the new process and gives everything to it. After an error, the new process has ended and the old one goes
// on as before. Otherwise the new process serves; the old one closes the connections that stay, and ends.
func (o *Old) Spawn(ctx context.Context) (v Verdict, err error) {
	c, err := o.start()
	if err == nil {
		v, err = o.handOver(ctx, c)
	}
	if err == nil {
		c.conn.Close()
	}
	return v, err
}

// handOver gives everything to the new process. After an error, that does not take over, and the pair is closed.
func (o *Old) handOver(ctx context.Context, c *peer) (v Verdict, err error) {
	stop := context.AfterFunc(ctx, c.kill) // before go, this is a failure like others; HandBack has no such end
	defer stop()
	lost := false
	defer func() {
		if err != nil && !lost && ctx.Err() != nil {
			err = context.Cause(ctx) // this process has killed the new one
		}
	}()
	v.PID = c.pid
	if v.Hello, err = o.hello(c); err != nil {
		return v, c.end(err)
	}
	if err = o.lend(c, v.Hello); err != nil {
		err = c.end(err)
		o.TakeBack()
		return v, err
	}
	o.settle()
	began := time.Now()
	if err = o.freeze(ctx); err == nil {
		v.Conns, err = o.move(c, v.Hello)
	}
	if err == nil && !stop() {
		err = context.Cause(ctx)
	}
	if err == nil {
		o.at("go")
		err = send(c.conn, msgGo, binary.AppendVarint(nil, began.UnixNano())) // it fails if the new process is dead, and then nobody else has begun
	}
	var note []byte
	if err == nil {
		o.at("gone")
		c.conn.SetDeadline(time.Now().Add(cmp.Or(o.MoveTime, moveTime)))
		note, err = expect(c.conn, msgDone)
		lost = err != nil && !c.conn.Unread() // otherwise the new process has died before it knew of go
	}
	if err != nil && !lost {
		if err = c.end(err); !errors.Is(err, errAlive) || !o.Store {
			o.Thaw()
			return v, err
		}
		lost = true // it may have the store open
	}
	v.Stall, v.Note = time.Since(began), string(note)
	o.Release() // not before: to close thousands of descriptors would take the processor from the new process
	if lost {
		c.conn.Close()
		return v, &LostError{inWords(err)} // nobody but itself may end it now
	}
	return v, nil
}

// The defaults of the times of Old.
const (
	startTime  = 15 * time.Second
	freezeTime = 500 * time.Millisecond
	moveTime   = 5 * time.Second
	stallTime  = 2 * time.Second
)

// A LostError says that the new process has failed when it had the sockets already.
type LostError struct{ err error }

func (e *LostError) Error() string {
	return "the new process has failed after it had taken over: " + e.err.Error()
}

var ownVariables = []string{envName, envStandIn, envReturn, envGuard, envGuarded}

// withoutOwn returns the environment for a new program, without the variables of this package.
func withoutOwn(env []string) (all []string) {
	for _, one := range env {
		if name, _, _ := strings.Cut(one, "="); !slices.Contains(ownVariables, name) {
			all = append(all, one)
		}
	}
	return all
}

func (o *Old) settle() {
	if o.Settle != nil {
		o.Settle()
	}
}

func (o *Old) freeze(ctx context.Context) error {
	freezing, cancel := context.WithTimeout(ctx, cmp.Or(o.FreezeTime, freezeTime))
	defer cancel()
	return o.Freeze(freezing)
}

// move gives everything to the new process, waits until it is ready, and returns the number of connections.
func (o *Old) move(c *peer, h Hello) (conns int, err error) {
	o.at("frozen")
	state, err := newFile("state")
	if err != nil {
		return 0, err
	}
	defer state.Close()
	to := o.patient(c, state, h)
	conns, err = o.give(to, state, h)
	if err == nil {
		_, err = expect(to, msgReady)
	}
	if err != nil {
		return 0, err
	}
	c.conn.SetDeadline(time.Now().Add(cmp.Or(o.MoveTime, moveTime))) // that of the last look is over soon
	o.at("ready")
	return conns, o.Commit()
}

// patient returns the pair for the time until the new process has restored the state.
func (o *Old) patient(c *peer, state *os.File, h Hello) *patient {
	p := &patient{Conn: c.conn, state: state, limit: time.Now().Add(cmp.Or(o.MoveTime, moveTime)), store: o.Store}
	if h.Tells {
		p.look = cmp.Or(o.StallTime, stallTime) / looks
	}
	return p
}

// give writes everything to a new file, and passes it on. It returns the number of connections.
func (o *Old) give(to link, state *os.File, h Hello) (conns int, err error) {
	for _, f := range append([]File{{stateFile, int(state.Fd())}}, o.Files()...) {
		if err := send(to, msgFile, []byte(f.Name), f.FD); err != nil {
			return 0, err
		}
	}
	o.at("files")
	version, _ := snapshot.Agree(h.Oldest, h.Newest)
	w := &Writer{file: state, part: func(end int64, fds []int) error {
		o.at("part")
		return send(to, msgPart, binary.AppendUvarint(nil, uint64(end)), fds...)
	}}
	if err := w.Frame(Begin, binary.AppendUvarint(nil, version)); err != nil {
		return 0, err
	}
	if err := o.Write(w, version); err != nil {
		return 0, err
	}
	if err := w.finish(); err != nil {
		return 0, err
	}
	o.at("end")
	return w.conns, nil
}

func (o *Old) at(step string) {
	if o.step != nil {
		o.step(step)
	}
}
