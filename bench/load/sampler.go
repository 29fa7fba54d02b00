package load

import (
	"sync"
	"time"

	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

const (
	sampleEvery = 250 * time.Millisecond // the first pause between samples
	maxSamples  = 480                    // then two samples become one, and the pause doubles, so that hours fit too
)

// Sampler takes samples of the server and the load on its own goroutine.
type Sampler struct {
	server     proc.Process
	load       Load
	start      int64
	stop, done chan struct{}

	mu  sync.Mutex // guards run
	run Run        // the run to sample latencies from; may be nil

	// The goroutine owns these fields.
	samples     []report.Sample
	at          int64
	cpu, client int64
	of          Run
	before      *stat.Hist // latencies of that run at the last sample
}

// Follow makes the sampler take the latencies of run. A nil sampler ignores the call.
func (s *Sampler) Follow(run Run) {
	if s != nil {
		s.mu.Lock()
		s.run = run
		s.mu.Unlock()
	}
}

func (s *Sampler) loop() {
	defer close(s.done)
	for every := sampleEvery; ; {
		select {
		case <-s.stop:
			if stat.Now()-s.at > int64(sampleEvery)/4 {
				s.take()
			}
			return
		case <-time.After(every):
		}
		s.take()
		if len(s.samples) >= maxSamples {
			s.samples, every = report.Thinned(s.samples), 2*every
		}
	}
}

func (s *Sampler) take() {
	at, cpu, client := stat.Now(), s.server.CPU(), s.load.CPU()
	wall := float64(at - s.at)
	v := report.Sample{At: float64(at-s.start) / 1e9, RSS: s.server.RSS(), FDs: s.server.FDs(), Open: s.load.Open(),
		CPU: float64(cpu-s.cpu) / wall, Client: float64(client-s.client) / wall}
	s.at, s.cpu, s.client = at, cpu, client
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	if run != nil {
		h := run.SoFar()
		since := *h
		if run == s.of {
			since.Minus(s.before)
		}
		s.of, s.before = run, h
		v.PerSecond, v.P50, v.P99 = float64(since.Total)*1e9/wall, stat.MS(since.Quantile(.5)), stat.MS(since.Quantile(.99))
	}
	s.samples = append(s.samples, v)
}

// StartSampling takes samples until stop is called, which adds them to the report. Call stop before the clients are
// closed. A scenario that uses other clients in each of its parts samples each part.
func StartSampling(r *report.Report, l Load, server proc.Process) (stop func()) {
	if r.Started == 0 {
		r.Started = stat.Now()
	}
	s := &Sampler{server: server, load: l, start: r.Started, stop: make(chan struct{}), done: make(chan struct{})}
	s.at, s.cpu, s.client = stat.Now(), server.CPU(), l.CPU()
	l.Sample(s)
	go s.loop()
	return sync.OnceFunc(func() {
		close(s.stop)
		<-s.done
		r.Samples = append(r.Samples, s.samples...)
	})
}
