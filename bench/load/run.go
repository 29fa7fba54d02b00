package load

import (
	"context"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/stamp"
	"webim/bench/stat"
)

// LocalRun is the Run of a Local: a sender, and a checker per receiver.
type LocalRun struct {
	*Sender // without clients in a process that only receives
	fleet   *Local
	counts  []*Counts // one per receiver
	done    chan struct{}
}

// StartFlood makes members check the messages of a schedule, and starts the sender. The first of members send.
func StartFlood(f *Local, s Schedule, size option.Size, nap time.Duration, members []*client.Client) *LocalRun {
	return StartTagged(f, s, size, nap, stamp.NewTag(), members, members[:s.Senders])
}

// StartTagged is StartFlood with a tag that other processes use, too. The senders may be in another process.
func StartTagged(f *Local, s Schedule, size option.Size, nap time.Duration, tag uint64, members, senders []*client.Client) *LocalRun {
	for _, w := range f.Receivers {
		w.Nap.Store(int64(nap))
	}
	return StartRun(f, NewSender(s, senders, size, tag), members, func() Checker { return newFloodChecker(s, size, tag) })
}

// StartRun gives members one checker per receiver, and starts the sender.
func StartRun(f *Local, from *Sender, members []*client.Client, check func() Checker) *LocalRun {
	run := &LocalRun{Sender: from, fleet: f, done: make(chan struct{})}
	checkers := make([]Checker, len(f.Receivers))
	for i := range checkers {
		checkers[i] = check()
		run.counts = append(run.counts, checkers[i].sum())
	}
	in := make(map[*client.Client]bool, len(members))
	for _, c := range members {
		in[c] = true
	}
	f.Each(func(c *client.Client) {
		if in[c] {
			checkers[c.Index%len(f.Receivers)].Prepare(c)
		}
	})
	f.sampler.Follow(run)
	go func() {
		defer close(run.done)
		if len(run.from) > 0 {
			run.run()
		}
	}()
	return run
}

// Received returns the number of deliveries so far.
func (r *LocalRun) Received() (n int64) {
	for _, c := range r.counts {
		n += c.Received.Load()
	}
	return n
}

// Wait calls Await, and shows the progress.
func (r *LocalRun) Wait(ctx context.Context, f *Local, clients int, grace time.Duration, what string) {
	Await(ctx, r, r.Schedule, clients, grace, func(got, want int) { f.Config().ShowProgress(what, got, want) })
}

func (r *LocalRun) Halt() {
	r.stop.Store(true)
	<-r.done
}

// Collect ends sending and checking, and returns the counters.
func (r *LocalRun) Collect() *Totals {
	r.Halt()
	r.fleet.Ignore()
	sum := &Totals{Sent: r.Sent, Held: r.held, Unsent: r.Sender.unsent(), Lag: r.lag.Quantile(.99)}
	for i, c := range r.counts {
		r.fleet.Receivers[i].Nap.Store(0)
		sum.Add(c)
	}
	return sum
}

// Await returns when all clients have received all messages of the schedule, when no message has come for 3 s after the
// end of the schedule, or when grace has passed.
func Await(ctx context.Context, run Run, s Schedule, clients int, grace time.Duration, progress func(got, want int)) {
	const quiet = 3 * time.Second
	want := int64(s.Total) * int64(clients)
	last, since := int64(-1), time.Now()
	for next := time.Now(); ; {
		got := run.Received()
		if FaultOf(run) != nil {
			run.Halt()
			return
		}
		if got != last || stat.Now() < s.End {
			last, since = got, time.Now()
		}
		over := stat.Now() - s.End
		if got >= want && over >= 0 || over > int64(grace) || over > 0 && time.Since(since) > quiet {
			break
		}
		if time.Now().After(next) {
			next = time.Now().Add(100 * time.Millisecond)
			progress(int(got), int(want))
		}
		select {
		case <-ctx.Done():
			run.Halt()
			return
		case <-time.After(PollEvery):
		}
	}
}

// SoFar returns the latencies so far.
func (r *LocalRun) SoFar() *stat.Hist {
	h := &stat.Hist{}
	for i, w := range r.fleet.Receivers {
		w.Do(func() { h.Merge(&r.counts[i].Hist) })
	}
	return h
}
