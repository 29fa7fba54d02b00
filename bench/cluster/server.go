package cluster

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"sync"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
)

// server is a Crew's worker process, from within.
type server struct {
	ctx    context.Context // of the dialing; cancelled by doCancel
	cancel context.CancelFunc

	mu      sync.Mutex // guards what follows; not held while an order is carried out
	fleet   *load.Local
	clients int
	run     *load.LocalRun
	rounds  *load.LocalSingles
	writing sync.Mutex // one answer at a time
	out     *gob.Encoder
}

// ServeWorker makes this process a worker of a Crew: it carries out the orders from in and answers on out, until in ends or makes no sense. Nothing else
// may write to out.
func ServeWorker(in io.Reader, out io.Writer) error {
	m := &server{out: gob.NewEncoder(out)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	var orders sync.WaitGroup
	d := gob.NewDecoder(in)
	var err error
	for {
		var o request
		if err = d.Decode(&o); err != nil {
			break
		}
		orders.Go(func() { m.serve(o) }) // a doDial lasts; a doStat is answered meanwhile
	}
	m.cancel()
	orders.Wait()
	if m.run != nil {
		m.run.Halt()
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
func (m *server) serve(o request) {
	a, err := m.execute(o)
	a.ID = o.ID
	if err != nil {
		a.Err = err.Error()
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	_ = m.out.Encode(a) // who does not listen has gone, and the orders end
}

func (m *server) execute(o request) (a reply, err error) {
	if o.Do == doSetup {
		return a, m.setUp(o.Setup)
	}
	m.mu.Lock()
	f, run, rounds := m.fleet, m.run, m.rounds
	m.mu.Unlock()
	if f == nil {
		return a, fmt.Errorf("an order before the first")
	}
	if needs := o.Do == doSend || o.Do == doAwait; needs && rounds == nil || o.Do > doFlood && o.Do < doExpect && run == nil {
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
	case doStatus:
		a.Status = statusOf(f, run)
	case doFlood:
		return a, m.flood(f, o.Flood)
	case doExpect:
		return m.expect(f, o)
	case doSend:
		a.At, err = rounds.SendOne()
	case doAwait:
		a.Times, err = rounds.Await(m.ctx)
	case doSoFar:
		a.Hist = run.SoFar().Pack()
	case doHalt:
		run.Halt()
	case doCollect:
		sum := run.Collect()
		a.Flood = packTotals(sum)
	default:
		err = fmt.Errorf("there is no such order")
	}
	return a, err
}

func (m *server) setUp(e *setup) error {
	if e == nil {
		return fmt.Errorf("nothing to enlist for")
	}
	f, err := load.NewLocal(e.Config, e.Clients, e.Config.Receivers)
	if err != nil {
		return err
	}
	f.FirstSource = e.FirstSource
	if e.Config.Members > 0 {
		f.AssignRooms(fmt.Sprintf("%d-", e.Number), e.Config.Members)
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
func (m *server) flood(f *load.Local, o *floodRequest) error {
	if o == nil {
		return fmt.Errorf("no flood to take part in")
	}
	size, err := option.ParseSize(o.Size)
	if err != nil {
		return err
	}
	if o.Senders < 1 || o.Send && o.Senders > len(f.Clients) {
		return fmt.Errorf("%d senders of %d clients", o.Senders, len(f.Clients))
	}
	s := load.Schedule{Start: o.Start, End: o.End, Interval: o.Interval, Total: o.Total, Senders: o.Senders}
	var senders []*client.Client
	if o.Send {
		senders = f.Clients[:o.Senders]
	}
	run := load.StartTagged(f, s, size, o.Nap, o.Tag, f.Clients, senders)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run = run
	return nil
}

// expect begins a round; the first of a tag makes the clients take part.
func (m *server) expect(f *load.Local, o request) (a reply, err error) {
	size, err := option.ParseSize(o.Size)
	if err != nil {
		return a, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rounds == nil || m.rounds.Tag != o.Tag {
		m.rounds = load.NewSingles(f.Fleet, proc.Process{}, size, o.Tag)
	}
	a.N = m.rounds.Expect(o.Seq)
	return a, nil
}

func statusOf(f *load.Local, run *load.LocalRun) *status {
	s := &status{Open: f.Open(), Gone: f.Gone(), Failures: f.Failures(), Pings: f.Pings(), Busy: f.Busy()}
	s.Ended = int(f.HandshakesFailed()) + s.Open + s.Gone
	t, ok := f.Agreed()
	s.Protocol, s.Packed, s.Agreed = t.Protocol, t.Compressed, ok
	if run != nil {
		s.Received = run.Received()
	}
	return s
}
