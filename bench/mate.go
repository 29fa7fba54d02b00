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
	crowd   crowd
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
	if m.crowd != nil {
		m.crowd.Close()
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
	c, run, rounds := m.crowd, m.run, m.rounds
	m.mu.Unlock()
	if c == nil {
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
		a.N, err = c.Dial(m.ctx, o.From, o.To)
	case doCancel:
		m.cancel()
	case doStat:
		a.Stat = statOf(c, run)
	case doFlood, doArm:
		f, ok := c.(*Fleet)
		if !ok {
			return a, fmt.Errorf("clients over TLS can only be there")
		}
		if o.Do == doFlood {
			return a, m.flood(f, o.Flood)
		}
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
	c, err := newCrowd(e.Config, e.Clients, e.FirstSource)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crowd != nil {
		c.Close()
		return fmt.Errorf("this process has its clients already")
	}
	m.crowd, m.clients = c, e.Clients
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

func statOf(c crowd, run *floodRun) *stat {
	s := &stat{Open: c.Open(), Gone: c.Gone(), Failures: c.Failures(), Pings: c.pings()}
	for _, n := range s.Failures {
		s.Ended += n
	}
	s.Ended += s.Open + s.Gone
	if l, ok := c.(load); ok {
		s.Busy = l.busy()
		t, ok := l.agreed()
		s.Protocol, s.Packed, s.Agreed = t.protocol, t.packed, ok
	}
	if run != nil {
		s.Received = run.received()
	}
	return s
}
