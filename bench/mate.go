package bench

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"sync"
)

// mate is a Crew's worker process, from within.
type mate struct {
	ctx    context.Context // of the dialing; cancelled by doCancel
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows; not held while an order is carried out
	fleet   *Fleet
	clients int
	run     *floodRun
	rounds  *rounds
	writing sync.Mutex // one answer at a time
	out     *gob.Encoder
}

// ServeWorker makes this process a worker of a Crew: it carries out the orders from in and answers on out, until in ends or makes no sense. Nothing else
// may write to out.
func ServeWorker(in io.Reader, out io.Writer) error {
	m := &mate{out: gob.NewEncoder(out)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	var orders sync.WaitGroup
	d := gob.NewDecoder(in)
	var err error
	for {
		var o order
		if err = d.Decode(&o); err != nil {
			break
		}
		orders.Go(func() { m.serve(o) }) // a doDial lasts; a doStat is answered meanwhile
	}
	m.cancel()
	orders.Wait()
	if m.run != nil {
		m.run.halt()
	}
	if m.fleet != nil {
		m.fleet.Close()
	}
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("the orders on standard input make no sense: %w; only webim-bench itself starts workers", err)
}

// serve carries out one order and answers.
func (m *mate) serve(o order) {
	a, err := m.carryOut(o)
	a.ID = o.ID
	if err != nil {
		a.Err = err.Error()
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	_ = m.out.Encode(a) // who does not listen has gone, and the orders end
}

func (m *mate) carryOut(o order) (a answer, err error) {
	if o.Do == doEnlist {
		return a, m.enlist(o.Enlist)
	}
	m.mu.Lock()
	f, run, rounds := m.fleet, m.run, m.rounds
	m.mu.Unlock()
	if f == nil {
		return a, fmt.Errorf("an order before the first")
	}
	if needs := o.Do == doFire || o.Do == doAwait; needs && rounds == nil || o.Do > doFlood && o.Do < doArm && run == nil {
		return a, fmt.Errorf("an order to go on with what has not begun")
	}
	switch o.Do {
	case doDial:
		if o.From < 0 || o.From > o.To || o.To > m.clients {
			return a, fmt.Errorf("no such clients: %d to %d of %d", o.From, o.To, m.clients)
		}
		a.N, err = f.Dial(m.ctx, o.From, o.To)
	case doCancel:
		m.cancel()
	case doStat:
		a.Stat = statOf(f, run)
	case doFlood:
		return a, m.flood(f, o.Flood)
	case doArm:
		return m.arm(f, o)
	case doFire:
		a.At, err = rounds.fire()
	case doAwait:
		a.Times, err = rounds.await(m.ctx)
	case doSoFar:
		a.Hist = run.soFar().pack()
	case doHalt:
		run.halt()
	case doCollect:
		sum := run.collect()
		a.Flood = sum.pack()
	default:
		err = fmt.Errorf("there is no such order")
	}
	return a, err
}

func (m *mate) enlist(e *enlistment) error {
	if e == nil {
		return fmt.Errorf("nothing to enlist for")
	}
	f, err := NewFleet(e.Config, e.Clients, e.Config.Receivers)
	if err != nil {
		return err
	}
	f.first = e.FirstSource
	if e.Config.Members > 0 {
		f.assignRooms(fmt.Sprintf("%d-", e.Number), e.Config.Members)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fleet != nil {
		f.Close()
		return fmt.Errorf("this process has its clients already")
	}
	m.fleet, m.clients = f, e.Clients
	return nil
}

// flood takes part in a flood.
func (m *mate) flood(f *Fleet, o *floodOrder) error {
	if o == nil {
		return fmt.Errorf("no flood to take part in")
	}
	size, err := ParseSize(o.Size)
	if err != nil {
		return err
	}
	if o.Senders < 1 || o.Send && o.Senders > len(f.clients) {
		return fmt.Errorf("%d senders of %d clients", o.Senders, len(f.clients))
	}
	s := schedule{start: o.Start, end: o.End, interval: o.Interval, total: o.Total, senders: o.Senders}
	var senders []*client
	if o.Send {
		senders = f.clients[:o.Senders]
	}
	run := startTagged(f, s, size, o.Nap, o.Tag, f.clients, senders)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run = run
	return nil
}

// arm begins a round; the first of a tag makes the clients take part.
func (m *mate) arm(f *Fleet, o order) (a answer, err error) {
	size, err := ParseSize(o.Size)
	if err != nil {
		return a, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rounds == nil || m.rounds.tag != o.Tag {
		m.rounds = newRounds(f, process{}, size, o.Tag)
	}
	a.N = m.rounds.arm(o.Seq)
	return a, nil
}

func statOf(f *Fleet, run *floodRun) *stat {
	s := &stat{Open: f.Open(), Gone: f.Gone(), Failures: f.Failures(), Pings: f.pings(), Busy: f.busy()}
	s.Ended = int(f.failed.Load()) + s.Open + s.Gone
	t, ok := f.agreed()
	s.Protocol, s.Packed, s.Agreed = t.protocol, t.packed, ok
	if run != nil {
		s.Received = run.received()
	}
	return s
}
