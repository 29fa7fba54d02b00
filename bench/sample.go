package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Sample is the server and the load at one moment of a run. Memory is RSS here and not PSS, because PSS costs the server a walk through its page tables.
type Sample struct {
	At        float64 `json:"t_s"`
	RSS       int64   `json:"server_rss_bytes"`
	FDs       int     `json:"server_fds"`
	CPU       float64 `json:"server_cores"` // these and what follows: since the sample before
	Client    float64 `json:"client_cores"`
	PerSecond float64 `json:"messages_per_s"` // that came to checked clients
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Open      int     `json:"clients_open"`
}

const (
	sampleEvery = 250 * time.Millisecond // at first
	maxSamples  = 480                    // then every second one goes, and the pause doubles: so hours fit too
)

// sampler takes samples on a goroutine of its own.
type sampler struct {
	server     process
	load       watched
	start      int64
	stop, done chan struct{}

	mu  sync.Mutex // guards run
	run flooding   // whose latency is sampled; nil: none

	// The goroutine's.
	samples     []Sample
	at          int64
	cpu, client int64
	of          flooding
	before      *Hist // of that run, at the sample before
}

// watched is clients as a sampler sees them.
type watched interface {
	Open() int
	cpu() int64
	sample(s *sampler)
}

// sample takes samples until the function that it returns is called, which adds them to the report. Call that before the clients are closed. A scenario whose
// parts have other clients each samples every part.
func (r *Report) sample(l watched, server process) (stop func()) {
	if r.sampled == 0 {
		r.sampled = now()
	}
	s := &sampler{server: server, load: l, start: r.sampled, stop: make(chan struct{}), done: make(chan struct{})}
	s.at, s.cpu, s.client = now(), server.cpu(), l.cpu()
	l.sample(s)
	go s.loop()
	return sync.OnceFunc(func() {
		close(s.stop)
		<-s.done
		r.Samples = append(r.Samples, s.samples...)
	})
}

// follow makes the sampler look at a run's latency. A nil sampler does nothing.
func (s *sampler) follow(run flooding) {
	if s != nil {
		s.mu.Lock()
		s.run = run
		s.mu.Unlock()
	}
}

func (s *sampler) loop() {
	defer close(s.done)
	for every := sampleEvery; ; {
		select {
		case <-s.stop:
			if now()-s.at > int64(sampleEvery)/4 {
				s.take()
			}
			return
		case <-time.After(every):
		}
		s.take()
		if len(s.samples) >= maxSamples {
			s.samples, every = thinned(s.samples), 2*every
		}
	}
}

func (s *sampler) take() {
	at, cpu, client := now(), s.server.cpu(), s.load.cpu()
	wall := float64(at - s.at)
	v := Sample{At: float64(at-s.start) / 1e9, RSS: s.server.rss(), FDs: s.server.fds(), Open: s.load.Open(),
		CPU: float64(cpu-s.cpu) / wall, Client: float64(client-s.client) / wall}
	s.at, s.cpu, s.client = at, cpu, client
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	if run != nil {
		h := run.soFar()
		since := *h
		if run == s.of {
			since.minus(s.before)
		}
		s.of, s.before = run, h
		v.PerSecond, v.P50, v.P99 = float64(since.total)*1e9/wall, ms(since.Quantile(.5)), ms(since.Quantile(.99))
	}
	s.samples = append(s.samples, v)
}

// soFar returns the latencies that a run has recorded.
func (r *floodRun) soFar() *Hist {
	h := &Hist{}
	for i, w := range r.fleet.workers {
		w.do(func() { h.Merge(&r.counts[i].hist) })
	}
	return h
}

// thinned makes one sample of two: means, but the worse of the percentiles.
func thinned(all []Sample) []Sample {
	for i := 1; i < len(all); i += 2 {
		a, b := all[i-1], all[i]
		b.CPU, b.Client, b.PerSecond = (a.CPU+b.CPU)/2, (a.Client+b.Client)/2, (a.PerSecond+b.PerSecond)/2
		b.P50, b.P99 = max(a.P50, b.P50), max(a.P99, b.P99)
		all[i/2] = b
	}
	return all[:len(all)/2]
}

// Drift compares the last third of a run with its first third, by medians of the samples.
type Drift struct {
	First   float64 `json:"first"`
	Last    float64 `json:"last"`
	PerHour float64 `json:"per_hour"` // 0 for runs under a minute, of which it would say nothing
}

// Drifts is what may grow when it should not.
type Drifts struct {
	RSS Drift `json:"server_rss_bytes"`
	FDs Drift `json:"server_fds"`
	P99 Drift `json:"latency_p99_ms"`
}

func drifts(all []Sample) Drifts {
	return Drifts{driftOf(all, func(s Sample) float64 { return float64(s.RSS) }), driftOf(all, func(s Sample) float64 { return float64(s.FDs) }),
		driftOf(all, func(s Sample) float64 { return s.P99 })}
}

func driftOf(all []Sample, of func(Sample) float64) (d Drift) {
	n := len(all) / 3
	if n == 0 {
		return d
	}
	middle := func(part []Sample, of func(Sample) float64) float64 {
		var v []float64
		for _, s := range part {
			v = append(v, of(s))
		}
		return median(v)
	}
	at := func(s Sample) float64 { return s.At }
	first, last := all[:n], all[len(all)-n:]
	d.First, d.Last = middle(first, of), middle(last, of)
	if all[len(all)-1].At < 60 {
		return d
	}
	d.PerHour = (d.Last - d.First) * 3600 / (middle(last, at) - middle(first, at))
	return d
}

func (d Drifts) rows() [][]string {
	row := func(name string, d Drift, unit float64) []string {
		return []string{name, cell(d.First / unit), cell(d.Last / unit), cell(d.PerHour / unit)}
	}
	return [][]string{{"drift", "first third", "last third", "an hour"}, row("server RSS MB", d.RSS, 1e6), row("server fds", d.FDs, 1), row("p99 ms", d.P99, 1)}
}

// rss returns the memory of the tree in bytes; pages that its processes share count for each.
func (p process) rss() (sum int64) {
	for _, pid := range p.pids {
		if f := strings.Fields(firstOf(fmt.Sprintf("/proc/%d/statm", pid))); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			sum += pages * int64(os.Getpagesize())
		}
	}
	return sum
}

// fds returns how many files the tree has open. Since Linux 6.2 that is the size of the folder; before, it has to be listed.
func (p process) fds() (sum int) {
	for _, pid := range p.pids {
		name := fmt.Sprintf("/proc/%d/fd", pid)
		if info, err := os.Stat(name); err == nil && info.Size() > 0 {
			sum += int(info.Size())
		} else if dir, err := os.Open(name); err == nil {
			names, _ := dir.Readdirnames(-1)
			dir.Close()
			sum += len(names)
		}
	}
	return sum
}
