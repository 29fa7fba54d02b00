package cluster

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"sync"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
)

// server is a worker process, seen from inside.
type server struct {
	ctx    context.Context // of the dialing; doCancel cancels it
	cancel context.CancelFunc

	mu        sync.Mutex // guards the fields below; not held while a request is executed
	fleet     *load.Local
	clients   int
	run       *load.LocalRun
	rounds    *load.LocalSingles
	bystander *load.Bystander
	writing   sync.Mutex // for one reply at a time
	out       *gob.Encoder
}

// ServeWorker makes this process a worker process: it executes requests from in and writes replies to out, until in ends
// or is not valid. Nothing else may write to out.
func ServeWorker(in io.Reader, out io.Writer) error {
	m := &server{out: gob.NewEncoder(out)}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	var requests sync.WaitGroup
	d := gob.NewDecoder(in)
	var err error
	for {
		var o request
		if err = d.Decode(&o); err != nil {
			break
		}
		requests.Go(func() { m.serve(o) }) // doDial takes time; doStatus must be answered meanwhile
	}
	m.cancel()
	requests.Wait()
	if m.run != nil {
		m.run.Halt()
	}
	if m.fleet != nil {
		m.fleet.Close()
	}
	if m.bystander != nil {
		m.bystander.Stop(0)
	}
	if err == io.EOF {
		return nil
	}
	return fmt.Errorf("the requests on standard input are not valid: %w; only webim-bench itself starts workers", err)
}

// serve executes one request and replies.
func (m *server) serve(o request) {
	a, err := m.execute(o)
	a.ID = o.ID
	if err != nil {
		a.Err = err.Error()
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	_ = m.out.Encode(a) // if it fails, the caller has ended, and so do the requests
}

func (m *server) execute(o request) (a reply, err error) {
	switch o.Do {
	case doSetup:
		return a, m.setUp(o.Setup)
	case doBystand:
		return a, m.bystand(o.Bystander)
	case doSeen:
		return m.seen(o.Grace)
	case doCancel:
		m.cancel()
		return a, nil
	}
	m.mu.Lock()
	f, run, rounds := m.fleet, m.run, m.rounds
	m.mu.Unlock()
	if f == nil {
		return a, fmt.Errorf("a request before the setup")
	}
	if needs := o.Do == doSend || o.Do == doAwait; needs && rounds == nil || o.Do > doFlood && o.Do < doExpect && run == nil {
		return a, fmt.Errorf("a request to continue something that has not begun")
	}
	switch o.Do {
	case doDial:
		if o.From < 0 || o.From > o.To || o.To > m.clients {
			return a, fmt.Errorf("no such clients: %d to %d of %d", o.From, o.To, m.clients)
		}
		a.N, err = f.Dial(m.ctx, o.From, o.To)
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
		err = fmt.Errorf("there is no such request")
	}
	return a, err
}

func (m *server) setUp(e *setup) error {
	if e == nil {
		return fmt.Errorf("no setup")
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

// bystand starts the bystander.
func (m *server) bystand(o *bystanderRequest) error {
	if o == nil {
		return fmt.Errorf("no bystander")
	}
	b, err := load.StartBystander(m.ctx, o.Config, o.Room, o.Rate, o.Longest)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bystander != nil {
		b.Stop(0)
		return fmt.Errorf("this process has its bystander already")
	}
	m.bystander = b
	return nil
}

// seen ends the bystander.
func (m *server) seen(grace time.Duration) (a reply, err error) {
	m.mu.Lock()
	b := m.bystander
	m.bystander = nil
	m.mu.Unlock()
	if b == nil {
		return a, fmt.Errorf("this process has no bystander")
	}
	seen := b.Stop(grace)
	a.Seen = &seen
	return a, nil
}

// flood starts this process's part of a flood.
func (m *server) flood(f *load.Local, o *floodRequest) error {
	if o == nil {
		return fmt.Errorf("no flood")
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

// expect starts a round. The first round of a tag gives the clients a new sink.
func (m *server) expect(f *load.Local, o request) (a reply, err error) {
	size, err := option.ParseSize(o.Size)
	if err != nil {
		return a, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rounds == nil || m.rounds.Tag != o.Tag {
		m.rounds = load.NewSingles(f.Fleet, size, o.Tag)
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
