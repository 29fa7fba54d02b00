package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"webim/bench/relay"
)

// runFaults makes the faults of the plan at their times, and mends them. It returns when all are mended.
func (l *lab) runFaults(ctx context.Context, plan []Fault) {
	var all sync.WaitGroup
	for _, f := range plan {
		all.Go(func() {
			if !l.waitUntil(ctx, f.At) {
				return
			}
			l.say("%s", f)
			mend := l.begin(f)
			l.waitUntil(ctx, f.At+f.For)
			mend()
		})
	}
	all.Wait()
}

// waitUntil waits for a time of the run. It reports false if ctx ends first.
func (l *lab) waitUntil(ctx context.Context, at time.Duration) bool {
	select {
	case <-time.After(at - l.now()):
		return true
	case <-ctx.Done():
		return false
	}
}

// begin makes a fault, and returns the function that mends it.
func (l *lab) begin(f Fault) (mend func()) {
	switch f.Kind {
	case killNode:
		l.nodes[f.Target].kill()
		return l.nodes[f.Target].restart
	case killServer:
		l.servers[f.Target].kill()
		return l.servers[f.Target].restart
	case pauseNode:
		l.nodes[f.Target].signal(syscall.SIGSTOP)
		return func() { l.nodes[f.Target].signal(syscall.SIGCONT) }
	case pauseServer:
		l.servers[f.Target].signal(syscall.SIGSTOP)
		return func() { l.servers[f.Target].signal(syscall.SIGCONT) }
	case cutNode:
		l.toServers(f.Target, func(r *relay.Relay) { r.Cut(true) })
		return func() { l.toServers(f.Target, func(r *relay.Relay) { r.Cut(false) }) }
	case stallNode, stallUp, stallDown:
		return l.stall(f)
	case isolate, isolateIn, isolateOut:
		return l.isolate(f)
	case clock:
		l.setClock(f.Target, f.Step)
		return func() { l.setClock(f.Target, 0) }
	case disk:
		return l.fill(f)
	}
	return l.drop(f)
}

// stall stops bytes between a node and all servers.
func (l *lab) stall(f Fault) (mend func()) {
	set := func(on bool) {
		l.toServers(f.Target, func(r *relay.Relay) {
			r.Stall(relay.Up, on && f.Kind != stallDown)
			r.Stall(relay.Down, on && f.Kind != stallUp)
			if !on && f.Reset {
				r.Reset()
			}
		})
	}
	set(true)
	return func() { set(false) }
}

// isolate stops bytes between a server and the others.
func (l *lab) isolate(f Fault) (mend func()) {
	set := func(on bool) {
		l.between(f.Target, func(r *relay.Relay, in, out relay.Direction) {
			r.Stall(in, on && f.Kind != isolateOut)
			r.Stall(out, on && f.Kind != isolateIn)
			if !on && f.Reset {
				r.Reset()
			}
		})
	}
	set(true)
	return func() { set(false) }
}

// setClock moves the clock of a node away from the time of the machine.
func (l *lab) setClock(node int, offset time.Duration) {
	file := l.nodes[node].clock
	if err := os.WriteFile(file+".new", []byte(offset.String()), 0o600); err == nil {
		_ = os.Rename(file+".new", file)
	}
}

// fill fills the disk of a server. Afterwards, the server is started again, because it does not look for space by itself.
func (l *lab) fill(f Fault) (mend func()) {
	s := l.servers[f.Target]
	if err := s.fillDisk(); err != nil {
		l.fail(fmt.Errorf("filling the disk of server %d: %w", f.Target, err))
	}
	return func() {
		s.kill()
		if err := s.freeDisk(); err != nil {
			l.fail(fmt.Errorf("freeing the disk of server %d: %w", f.Target, err))
		}
		s.restart()
	}
}

// livePrefix begins the subjects on which servers send publications to nodes.
const livePrefix = "live."

// drop loses publications on their way to a node.
func (l *lab) drop(f Fault) (mend func()) {
	rng := rand.New(rand.NewPCG(l.opts.Seed, uint64(f.At)))
	var mu sync.Mutex // three relays use the generator
	lost := func(subject string) bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.HasPrefix(subject, livePrefix) && rng.Float64() < f.Share
	}
	l.toServers(f.Target, func(r *relay.Relay) { r.Drop(lost) })
	return func() { l.toServers(f.Target, func(r *relay.Relay) { r.Drop(nil) }) }
}
