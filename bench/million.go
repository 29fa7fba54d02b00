package bench

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Million holds very many idle clients on one machine, for what each of them costs: as many server processes as their files ask for, and a worker process of
// clients beside each. Every server is a world of its own, with its own lobby: what joins them would be its command line's business.
type Million struct {
	Clients int           `default:"1000000" help:"Clients, all servers together."`
	Servers Auto          `default:"auto" help:"Server processes, each with one client process; auto: as many as the limit of open files asks for."`
	Hold    time.Duration `default:"60s" help:"How long to hold all of them, for the CPU that heartbeats cost: at least twice the ping interval."`
	Size    Size          `default:"128" help:"Payload of the broadcasts in bytes, 16 at least."`
	Server  string        `kong:"-"` // command of a server whose first line on standard output names its address; empty: bin/webim serve --dev on a free port
}

// millionServer is the default of Million.Server.
const millionServer = "bin/webim serve --dev --listen 127.0.0.1:0 --log-level warn"

// MillionResult is what it took.
type MillionResult struct {
	Servers  int            `json:"servers"`
	Clients  int            `json:"clients"` // that were open in the end
	Gone     int            `json:"gone"`    // that the servers closed
	Failures map[string]int `json:"failures"`
	Started  float64        `json:"start_seconds"`   // of all processes
	Seconds  float64        `json:"connect_seconds"` // of all clients
	PerSec   float64        `json:"connects_per_s"`

	ServerEmpty int64  `json:"server_pss_bytes_empty"` // all processes, before the first client
	ClientEmpty int64  `json:"client_pss_bytes_empty"`
	ServerFull  int64  `json:"server_pss_bytes"`
	ClientFull  int64  `json:"client_pss_bytes"`
	ServerAfter int64  `json:"server_pss_bytes_after_broadcasts"`
	Kernel      Kernel `json:"kernel"` // more than before the first client; both ends of each connection

	Hold     *IdleHold `json:"hold,omitempty"`
	Median   Spread    `json:"broadcast_median_client_ms"` // one lobby after the other
	Last     Spread    `json:"broadcast_last_client_ms"`
	AllLast  float64   `json:"all_lobbies_at_once_last_client_ms"`
	Received int       `json:"broadcasts_received"`
	Lost     int       `json:"broadcasts_lost"`
}

// crowdOfMany is a Million under way.
type crowdOfMany struct {
	Million
	cfg     Config
	servers []*Server
	urls    []string
	crew    *Crew // process k's clients are server k's
	r       *Report
	res     *MillionResult
}

// Run measures. It refuses what this machine has no room for.
func (o Million) Run(ctx context.Context, cfg Config) (*Report, error) {
	return o.run(ctx, cfg, &crowdOfMany{})
}

func (o Million) run(ctx context.Context, cfg Config, m *crowdOfMany) (*Report, error) {
	pairs, err := o.check()
	if err != nil {
		return nil, err
	}
	*m = crowdOfMany{Million: o, cfg: cfg, res: &MillionResult{Servers: pairs}, crew: &Crew{cfg: cfg, clients: o.Clients}}
	defer m.close()
	start := time.Now()
	for k := range pairs {
		if err := m.addPair(ctx, k, pairs); err != nil {
			return nil, err
		}
		cfg.progress("starting processes", 2*k+2, 2*pairs)
	}
	m.res.Started = time.Since(start).Seconds()
	m.cfg.URL, m.cfg.PID = m.urls[0], m.servers[0].PID()
	if m.r, _, err = newReport(&m.cfg, "million", o); err != nil {
		return nil, err
	}
	m.r.Million = m.res
	defer m.r.sample(m.crew, m.server())()
	alive, stop := m.whileAllLive(ctx)
	defer stop()
	err = m.measure(alive)
	m.finish()
	if m.r.Interrupted = ctx.Err() != nil; m.r.Interrupted {
		err = nil
	} else if lost := m.lost(); lost != nil {
		err = lost
	}
	return m.r, err
}

// check says how many pairs of processes it takes, or why it cannot be done here.
func (o Million) check() (pairs int, err error) {
	if pairs = int(o.Servers); pairs == 0 {
		pairs = (o.Clients + maxClients() - 1) / maxClients()
	}
	switch {
	case o.Size.check() != nil:
		return 0, o.Size.check()
	case o.Clients < 1 || pairs > o.Clients || o.Hold < 0:
		return 0, badOption("--clients %d --servers %d --hold %s: give one client at least, to each server too, and a time of zero or more", o.Clients, pairs, o.Hold)
	case (o.Clients+pairs-1)/pairs > maxClients():
		return 0, badOption("--servers %d: each would have %d clients, but a process has files for %d here; give %d servers or more",
			pairs, (o.Clients+pairs-1)/pairs, maxClients(), (o.Clients+maxClients()-1)/maxClients())
	}
	return pairs, roomFor(o.Clients, pairs)
}

// addPair starts server k and the process with its clients.
func (m *crowdOfMany) addPair(ctx context.Context, k, pairs int) error {
	s, url, err := startAnnounced(ctx, "the server", splitCommand(orDefault(m.Server, millionServer)))
	if err != nil {
		return err
	}
	m.servers, m.urls = append(m.servers, s), append(m.urls, url)
	share := m.cfg
	share.URL, share.PID, share.Progress = url, 0, nil
	mate, err := startMate(m.cfg.Worker, enlistment{share, upTo(m.Clients, k, pairs), k * max(share.sources(), 0), k})
	if err == nil {
		m.crew.mates = append(m.crew.mates, mate)
	}
	return err
}

// server is all server processes, and what these have started.
func (m *crowdOfMany) server() (all process) {
	for _, s := range m.servers {
		if p, err := processTree(s.PID()); err == nil { // else it has ended, which is noticed elsewhere
			all.pids = append(all.pids, p.pids...)
		}
	}
	return all
}

// measure connects, weighs, holds and broadcasts.
func (m *crowdOfMany) measure(ctx context.Context) error {
	res, server, client := m.res, m.server(), m.crew.processes()
	if err := pause(ctx, m.cfg, "letting the processes settle", m.cfg.settle()); err != nil {
		return err
	}
	res.ServerEmpty, res.ClientEmpty = server.pss(), client.pss()
	before, start := kernelNow(), time.Now()
	err := m.connect(ctx)
	res.Seconds = time.Since(start).Seconds()
	res.Clients = m.crew.Open()
	res.PerSec = float64(res.Clients) / res.Seconds
	if err == nil {
		err = pause(ctx, m.cfg, "letting the processes settle", m.cfg.settle())
	}
	res.ServerFull, res.ClientFull, res.Kernel = server.pss(), client.pss(), kernelNow().since(before)
	if err == nil && m.Hold > 0 {
		var hold IdleHold
		hold, err = holdStill(ctx, m.cfg, m.crew, server, m.Hold)
		res.Hold = &hold
	}
	if err == nil {
		err = m.broadcast(ctx)
		res.ServerAfter = server.pss()
	}
	return err
}

// connect dials, in as many processes at a time as there are processors: each has a server beside it that works as hard.
func (m *crowdOfMany) connect(ctx context.Context) error {
	stop := keepShowing(func() { m.cfg.progress("connecting", m.crew.Open(), m.Clients) })
	_, err := m.crew.some(ctx, runtime.NumCPU(), func(_ int, mate *mateProcess) order {
		return order{Do: doDial, To: mate.clients}
	})
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// whileAllLive is a context that ends when any process does: what is left is not worth a minute's wait.
func (m *crowdOfMany) whileAllLive(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watch := func(exited chan struct{}) {
		watching.Go(func() {
			select {
			case <-exited:
				cancel()
			case <-ctx.Done():
			}
		})
	}
	for k, s := range m.servers {
		watch(s.exited)
		watch(m.crew.mates[k].exited)
	}
	return ctx, func() { cancel(); watching.Wait() }
}

// lost says which process has ended, if one has.
func (m *crowdOfMany) lost() error {
	for _, s := range m.servers {
		select {
		case <-s.exited:
			return fmt.Errorf("the server process %d ended (%s); it said: %s", s.PID(), s.cmd.ProcessState, s.out)
		default:
		}
	}
	for _, mate := range m.crew.mates {
		select {
		case <-mate.exited:
			return mate.death()
		default:
		}
	}
	return m.crew.fault()
}

// broadcast sends one message in each lobby, one lobby after the other, and then in all at once.
func (m *crowdOfMany) broadcast(ctx context.Context) error {
	var middle, last []float64
	tag := newTag()
	for k, mate := range m.crew.mates {
		start, times, n, err := m.shoot(ctx, mate, tag, 1)
		if err != nil {
			return err
		}
		round := roundOf(times, start, n)
		middle, last = append(middle, round.Median), append(last, round.Last)
		m.res.Received, m.res.Lost = m.res.Received+n-round.Lost, m.res.Lost+round.Lost
		m.cfg.progress("a message in each lobby", k+1, len(m.crew.mates))
	}
	m.res.Median, m.res.Last = spreadOf(middle), spreadOf(last)
	return m.atOnce(ctx, tag)
}

// atOnce is the time from the first message sent to the last received.
func (m *crowdOfMany) atOnce(ctx context.Context, tag uint64) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	first, last := int64(0), int64(0)
	for _, mate := range m.crew.mates {
		all.Go(func() {
			start, times, n, err := m.shoot(ctx, mate, tag, 2)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return
			}
			if first == 0 || start < first {
				first = start
			}
			for _, t := range times {
				last = max(last, t)
			}
			m.res.Received, m.res.Lost = m.res.Received+len(times), m.res.Lost+n-len(times)
		})
	}
	all.Wait()
	m.res.AllLast = ms(max(0, last-first))
	return failed
}

// shoot sends message seq in one lobby and returns when its clients, n of them, got it.
func (m *crowdOfMany) shoot(ctx context.Context, mate *mateProcess, tag uint64, seq uint32) (start int64, times []int64, n int, err error) {
	defer context.AfterFunc(ctx, func() { _, _ = mate.call(order{Do: doCancel}) })()
	a, err := mate.order(order{Do: doArm, Tag: tag, Size: m.Size.String(), Seq: seq})
	if err != nil {
		return 0, nil, 0, err
	}
	n = a.N
	if a, err = mate.order(order{Do: doFire}); err != nil {
		return 0, nil, n, err
	}
	start = a.At
	a, err = mate.order(order{Do: doAwait})
	return start, a.Times, n, err
}

func (m *crowdOfMany) finish() {
	t := m.crew.total()
	m.res.Gone, m.res.Failures = t.Gone, t.Failures
	m.res.Clients = t.Open
	failed := 0
	for _, n := range t.Failures {
		failed += n
	}
	if failed+t.Gone > 0 {
		m.r.note("of %d clients %d could not connect and %d were closed by their server: %v", m.Clients, failed, t.Gone, t.Failures)
	}
	if h := m.res.Hold; h != nil && h.Pings == 0 && m.Hold > 0 {
		m.r.note("no ping came in %s: the idle CPU is without heartbeats; give a --hold longer than the servers' ping interval", m.Hold)
	}
	m.r.Conditions.Server = fmt.Sprintf("%d times %s", len(m.servers), strings.TrimSpace(m.r.Conditions.Server))
}

// close ends all processes: the clients first, so that the servers need not say goodbye to each.
func (m *crowdOfMany) close() {
	m.crew.Close()
	var all sync.WaitGroup
	for _, s := range m.servers {
		all.Go(s.Stop)
	}
	all.Wait()
}
