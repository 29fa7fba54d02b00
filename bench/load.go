package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// load is clients that a scenario drives: a Fleet in this process, or a Crew of worker processes.
type load interface {
	Dial(ctx context.Context, from, to int) (failed int, err error) // those of [from, to) that are absent
	Open() int
	Failures() map[string]int // of handshakes, by what went wrong
	Gone() int                // open clients that the server has closed, or the network has
	Close()

	pings() int64      // that came to all clients
	cpu() int64        // of all processes of the client's side, in nanoseconds
	sample(s *sampler) // show s every flood from now on; nil: nobody looks
	size() int
	agreed() (t terms, ok bool) // with the first client; ok is false when it is not known
	busy() []int64              // CPU time of each thread that reads, in nanoseconds
	config() Config
	flood(s schedule, size Size, nap time.Duration) (flooding, error)
	aim(size Size, server process) (shooter, error)
}

// flooding is a flood under way.
type flooding interface {
	received() int64   // deliveries so far
	halt()             // sends no more
	soFar() *Hist      // the latencies until now
	collect() *counted // ends it, and the checking
}

// shooter sends single messages to all clients, one when the other has arrived everywhere.
type shooter interface {
	shoot(ctx context.Context) (Round, error)
	reach() int // how many clients are there
}

// counted is what a flood gave, of all senders and receivers.
type counted struct {
	counts
	sent   int
	held   int   // messages of which the server took nothing at once
	unsent int   // and nothing at all until the end
	lag    int64 // how late the sending threads woke, p99 in nanoseconds
}

// ownFiles is how many files a process of ours needs besides a client each, at most: pipes, epolls, /proc.
const ownFiles = 100

// maxClients is how many clients one process can have, by the limit of open files.
func maxClients() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur < 2*ownFiles {
		return ownFiles
	}
	return int(min(l.Cur, 1<<22)) - ownFiles
}

// processesFor returns how many worker processes hold n clients; 0: this one does it.
func (c Config) processesFor(n int) int {
	if c.Processes == 0 && n > maxClients() {
		return (n + maxClients() - 1) / maxClients()
	}
	return c.Processes
}

// newLoad makes n clients, all absent, in this process or in several.
func newLoad(cfg Config, n int) (load, error) {
	if p := cfg.processesFor(n); p > 0 {
		return NewCrew(cfg, n, p)
	}
	return NewFleet(cfg, n, cfg.Receivers)
}

// mustOpen dials what is absent; a room that is not full would make the figures meaningless.
func mustOpen(ctx context.Context, l load, r *Report) error {
	failed, err := l.Dial(ctx, 0, l.size())
	if ctx.Err() != nil {
		r.Interrupted = true
		return fmt.Errorf("interrupted while connecting: %w", ctx.Err())
	}
	if err != nil {
		return err
	}
	if failed > 0 {
		return absentees(failed, l)
	}
	r.agreed(l)
	return nil
}

// absentees says why clients are not there.
func absentees(n int, l load) error {
	var why []string
	failures := handshakeFailures(l.Failures())
	for _, what := range slices.Sorted(maps.Keys(failures)) {
		why = append(why, fmt.Sprintf("%d × %s%s", failures[what], what, hint(what)))
	}
	return fmt.Errorf("%d of %d clients could not connect: %s", n, l.size(), strings.Join(why, "; "))
}

// hint says what to do about a failed handshake, if that is known.
func hint(what string) string {
	switch {
	case strings.Contains(what, unix.EADDRNOTAVAIL.Error()):
		return " (each address has some 28,000 ports, and [::1] is a single address: give more --sources, or take 127.0.0.1 in --url)"
	case strings.Contains(what, unix.EMFILE.Error()):
		return " (the limit of open files, ulimit -n, or give more --processes)"
	case strings.Contains(what, "HTTP status 503"), strings.Contains(what, "HTTP status 429"):
		return " (the server is full, or limits the connections of an address: see its --max-conns and --max-conns-per-ip, or their like)"
	}
	return ""
}

// agreed notes what the handshakes agreed on.
func (r *Report) agreed(l load) {
	t, ok := l.agreed()
	if !ok {
		return
	}
	r.Conditions.Subprotocol, r.Conditions.Compressed = t.protocol, t.packed
	if l.config().Compress && !t.packed {
		r.note("the server did not take permessage-deflate: messages went uncompressed")
	}
}

// await returns when all that is sent by the schedule has come to all clients, when nothing comes for 3 s after its end, or when the grace is over.
func await(ctx context.Context, run flooding, s schedule, clients int, grace time.Duration, progress func(got, want int)) {
	const quiet = 3 * time.Second
	want := int64(s.total) * int64(clients)
	last, since := int64(-1), time.Now()
	for next := time.Now(); ; {
		got := run.received()
		if faultOf(run) != nil {
			run.halt()
			return
		}
		if got != last || now() < s.end {
			last, since = got, time.Now()
		}
		over := now() - s.end
		if got >= want && over >= 0 || over > int64(grace) || over > 0 && time.Since(since) > quiet {
			break
		}
		if time.Now().After(next) {
			next = time.Now().Add(100 * time.Millisecond)
			progress(int(got), int(want))
		}
		select {
		case <-ctx.Done():
			run.halt()
			return
		case <-time.After(pollEvery):
		}
	}
}

// failing is a load that can lose a part of itself.
type failing interface{ fault() error }

// faultOf says what was lost of a load, if anything.
func faultOf(l any) error {
	if f, ok := l.(failing); ok {
		return f.fault()
	}
	return nil
}
