package room

import (
	"context"
	"runtime"
	"sync"

	"webim/room/budget"
	"webim/room/wire"
)

// Workers never wait. Whatever may have to wait for the engine, or for the application's backend,
// runs on a goroutine, as straight-line code: the calls of clients, and the work that follows a
// message or an event of the hub. The goroutines have slots (budget.Slots), so their number is
// bounded, the number of calls that wait for a slot is bounded, too, and the users take turns. Work
// that finds no place is refused.
//
// An engine in this process (engine.Prompt) answers at once. With it, and without a backend, nothing
// has to wait, and the same code runs on the workers: to hand a call to a goroutine takes two threads
// that wake and one more turn of the connection, which is about as much as the call itself (with two
// processors, send fell from 10,000 to 6,000 calls a second).
//
// Few slots suffice, because work with a slot uses a processor, or waits for an engine that answers
// soon. With more slots than that, calls would take the processors from the workers. A call that
// waits for the backend, or for the engine's answer to a message, lets others have its slot.

// slotsPerProcessor times GOMAXPROCS is the default of Config.MaxCalls.
const slotsPerProcessor = 8

// maxSuspended bounds the calls that wait without a slot.
const maxSuspended = 2048

// work runs functions on goroutines that have slots.
type work struct {
	slots   *budget.Slots
	ofCalls sync.WaitGroup  // the work that follows the messages of calls
	ctx     context.Context // ends when the hub stops
	stop    context.CancelFunc

	mu     sync.Mutex // innermost
	follow map[string]*following
}

func newWork(limit int) *work {
	if limit <= 0 {
		limit = slotsPerProcessor * runtime.GOMAXPROCS(0)
	}
	w := &work{slots: budget.NewSlots(limit, maxSuspended), follow: map[string]*following{}}
	w.ctx, w.stop = context.WithCancel(context.Background())
	return w
}

// close ends what runs and refuses what comes. It returns when nothing runs any more.
func (w *work) close() {
	w.stop()
	w.slots.Close()
	w.ofCalls.Wait()
}

// errWorkFull refuses a call for which there is neither a slot nor a place to wait.
var errWorkFull = wire.Explain(wire.ErrTooManyRequests, "too many requests: the server is busy with calls, try again")

// refusedWork logs that there was no slot for something.
func (h *Hub) refusedWork(what string, payer budget.Owner) {
	h.refusals.Warn("the server is busy with calls: "+what, "payer", payer.String())
}

// A following is the work that follows the messages of a room, in the order of the messages. One
// piece runs at a time. Its order is that of one node; others follow their own messages.
type following struct {
	hub   *Hub
	room  string
	queue []followUp // the first one runs, or waits for a slot; guarded by work.mu
}

// A followUp is one piece of such work.
type followUp struct {
	payer  budget.Owner
	ofCall bool // a call waits for it, and has a slot or has suspended it: the work needs none
	do     func(context.Context)
	then   func() // is called when it is done, or is refused
}

// maxFollowing bounds the work that waits in one room.
const maxFollowing = 1024

// followUp runs do on a goroutine, after the work that follows earlier messages of the room, and
// then calls then. If there is no place for the work, it calls only then.
func (h *Hub) followUp(room string, f followUp) {
	w := h.work
	w.mu.Lock()
	line := w.follow[room]
	if line == nil {
		line = &following{hub: h, room: room}
		w.follow[room] = line
	}
	if len(line.queue) == maxFollowing {
		w.mu.Unlock()
		h.refusedWork("nobody is notified of a message", f.payer)
		f.then()
		return
	}
	line.queue = append(line.queue, f)
	first := len(line.queue) == 1
	w.mu.Unlock()
	if first {
		line.begin(f)
	}
}

// begin runs the first piece of work when there is a slot for it.
func (f *following) begin(one followUp) {
	if !one.ofCall {
		f.hub.work.slots.Acquire(one.payer, f)
		return
	}
	f.hub.work.ofCalls.Add(1)
	go func() {
		defer f.hub.work.ofCalls.Done()
		defer f.next(one)
		f.hub.runFollowUp(one.do)
	}()
}

// Start implements budget.Waiter.
func (f *following) Start() { go f.run() }

// Refuse implements budget.Waiter.
func (f *following) Refuse() {
	one := f.first()
	f.hub.refusedWork("nobody is notified of a message", one.payer)
	f.next(one)
}

// run does one piece of work.
func (f *following) run() {
	one := f.first()
	defer f.next(one)
	defer f.hub.work.slots.Release(one.payer)
	f.hub.runFollowUp(one.do)
}

// runFollowUp does a piece of work. A panic ends only that: the message has been published.
func (h *Hub) runFollowUp(do func(context.Context)) {
	defer h.server.Recovered("work that follows a message")
	do(h.work.ctx)
}

func (f *following) first() followUp {
	w := f.hub.work
	w.mu.Lock()
	defer w.mu.Unlock()
	return f.queue[0]
}

// next ends the first piece of work and begins the next one.
func (f *following) next(one followUp) {
	one.then()
	w := f.hub.work
	w.mu.Lock()
	f.queue[0] = followUp{}
	if f.queue = f.queue[1:]; len(f.queue) == 0 {
		delete(w.follow, f.room)
		w.mu.Unlock()
		return
	}
	second := f.queue[0]
	w.mu.Unlock()
	f.begin(second)
}
