package attack

import (
	"sync"
	"time"

	"webim/bench/proc"
	"webim/bench/stat"
)

// Sample has the server's figures at one time.
type Sample struct {
	At    float64 `json:"t_s"`
	RSS   int64   `json:"rss_bytes"`
	FDs   int     `json:"fds"`
	Cores float64 `json:"cores"` // since the previous sample
}

const sampleEvery = 100 * time.Millisecond

// watcher samples the server on its own goroutine.
type watcher struct {
	p          proc.Process
	start      int64
	stop, done chan struct{}

	mu      sync.Mutex // guards samples
	samples []Sample
}

func startWatcher(p proc.Process, start int64) *watcher {
	w := &watcher{p: p, start: start, stop: make(chan struct{}), done: make(chan struct{})}
	go w.loop()
	return w
}

func (w *watcher) loop() {
	defer close(w.done)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	at, cpu := stat.Now(), w.p.CPU()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		now, used := stat.Now(), w.p.CPU()
		s := Sample{At: float64(now-w.start) / 1e9, RSS: w.p.RSS(), FDs: w.p.FDs(), Cores: max(0, float64(used-cpu)/float64(now-at))}
		at, cpu = now, used
		w.mu.Lock()
		w.samples = append(w.samples, s)
		w.mu.Unlock()
	}
}

// end returns all samples.
func (w *watcher) end() []Sample {
	close(w.stop)
	<-w.done
	return w.samples
}

// peaks returns the largest figures from a time on, in seconds.
func peaks(all []Sample, from float64) (rss int64, fds int) {
	for _, s := range all {
		if s.At >= from {
			rss, fds = max(rss, s.RSS), max(fds, s.FDs)
		}
	}
	return rss, fds
}
