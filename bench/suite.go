package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Suite compares webim with its peers: every server runs every stage, each run with a fresh process and nothing beside it, then all over again (A B A B), as often
// as the time allows. So what disturbs the machine for a while disturbs all alike, and a ratio is of two runs that were close in time.
type Suite struct {
	Quick bool          `help:"Five peers, idle and one flood, in under 5 minutes."`
	Peers []string      `help:"Peers to compare with; all that can run here if there are none." placeholder:"NAME"`
	Runs  int           `default:"5" name:"repeat" help:"Repetitions at most; fewer if the time does not allow for them."`
	Time  time.Duration `default:"0s" help:"For the runs: none begins after it, and no repetition that would not end in it. 0s: 40m, with --quick 4m."`
	Webim string        `default:"bin/webim" help:"webim's program." type:"path"`

	// Log, if set, is told in one line each what was done.
	Log func(line string) `kong:"-" json:"-"`

	stages []stage // of a test; nil: those of quickStages or fullStages
}

// quickPeers are those of --quick.
var quickPeers = []string{"gorilla", "coder", "gws", "nbio", "gnet"}

// stage is one thing that is measured.
type stage struct {
	name string
	what string // the load, in a sentence
	run  interface {
		Run(ctx context.Context, cfg Config) (*Report, error)
	}
	limit time.Duration // a run that lasts longer is given up
	show  []string      // names of the figures for the table and the charts
}

func floodStage(rate float64) stage {
	at := fmt.Sprintf("%g msg/s: ", rate)
	return stage{fmt.Sprintf("flood at %g msg/s", rate), "1,000 clients in one room, 20 of which send messages of 128 bytes for 4 s; each goes to all clients.",
		Flood{Clients: 1000, Senders: 20, Rate: []float64{rate}, Seconds: 4, Size: FixedSize(128), Grace: 10 * time.Second}, 40 * time.Second,
		[]string{at + "p50, ms", at + "p99, ms", at + "server CPU per delivery, µs", at + "deliveries a second", at + "lost, doubled or reordered"}}
}

func idleStage(counts ...int) stage {
	return stage{"idle", fmt.Sprintf("%d, then %d clients that say nothing.", counts[0], counts[len(counts)-1]), Idle{Clients: counts}, 40 * time.Second,
		[]string{"memory per client, bytes", fmt.Sprintf("%d clients: connects a second", counts[len(counts)-1])}}
}

// roomsLoopStage is many small rooms as fast as they go.
func roomsLoopStage() stage {
	name := "rooms of 5, closed loop"
	return stage{name, "5,000 clients in rooms of 5; each sends a message of 128 bytes when all of its room have its last one, for 1 s.",
		Rooms{Clients: 5000, Members: []int{5}, Rate: []float64{0}, Seconds: 1, Turns: 1, Size: FixedSize(128)}, 40 * time.Second,
		[]string{name + ": messages a second", name + ": server CPU per message, µs", name + ": p50, ms", name + ": p99, ms"}}
}

// roomsRateStage has enough rooms for what they weigh to show beside the noise of the process.
func roomsRateStage() stage {
	name := "rooms of 5, 2000 msg/s"
	return stage{name, "5,000 clients in rooms of 5; all together send 2,000 messages of 128 bytes a second for 1.5 s, in turns with the floor, a bare loop of one read(2) and five write(2). " +
		"First all of them, idle, in one room and in their rooms: memory per room is the difference.",
		Rooms{Clients: 5000, Members: []int{5}, Rate: []float64{2000}, Seconds: 1.5, Turns: 1, Floor: true, Weigh: true, Size: FixedSize(128), Grace: 10 * time.Second}, 60 * time.Second,
		[]string{name + ": server CPU per message, µs", name + ": CPU per message, times the floor's", name + ": p50, ms", name + ": p99, ms", name + ": memory per room, bytes",
			name + ": lost, doubled, reordered or misrouted"}}
}

func quickStages() []stage { return []stage{idleStage(500, 3000), floodStage(300)} }

func fullStages() []stage {
	return []stage{idleStage(1000, 5000),
		{"fanout", "One message of 128 bytes to 1,000 clients, the next when all have it; 12 times, in turns with the floor, a bare loop of write(2).", Fanout{Clients: 1000, Rounds: 12, Block: 3, Size: FixedSize(128)}, 40 * time.Second,
			[]string{"server: median client, ms", "server: last client, ms", "server: server CPU per delivery, µs", "CPU, times the floor's"}},
		floodStage(300), floodStage(1000), floodStage(3000), roomsLoopStage(), roomsRateStage(),
		{"storm", "2,000 clients are cut at once and come back at once, 3 times; 50 clients stay, send 20 messages of 128 bytes a second, and are measured.", Storm{Clients: 2000, Rounds: 3, Stay: 50, Rate: 20, Size: FixedSize(128)}, 60 * time.Second, []string{"all back, s", "before the cut: p99, ms", "until all are back: p99, ms"}},
		{"slow", "500 clients in one room, 10 of which never read; 20 send 100 messages of 4,096 bytes a second for 6 s. First without the stuck ones.", Slow{Clients: 500, Stuck: 10, Senders: 20, Rate: 100, Size: FixedSize(4096), Seconds: 6}, 60 * time.Second,
			[]string{"without stuck clients: p99, ms", "with stuck clients: p99, ms", "memory per stuck client, bytes"}}}
}

// contender is a server in the comparison.
type contender struct {
	name, what string
	dialect    string
	prepare    func(ctx context.Context) error
	start      func(ctx context.Context) (*Server, string, error)
}

// Results are what all runs gave.
type Results struct {
	Stages  []StageResult
	LeftOut []string // one sentence for each server that could not take part
	Notes   []string
	Runs    int // repetitions that were begun
	Partial bool
}

// StageResult is one stage, of all servers.
type StageResult struct {
	Name    string
	What    string         // the load, in a sentence
	Servers []ServerResult // webim first
	show    []string
}

// ServerResult is the runs of one server.
type ServerResult struct {
	Name, What string
	Runs       []*Report // of the repetitions, in order; nil where it has none
	Failed     string    // why there are no more; empty: nothing went wrong
}

// Run compares. root is webim's repository. The results are valid, if partial, when ctx ends or the time is over.
func (o Suite) Run(ctx context.Context, cfg Config, root string) (*Results, error) {
	if o.Runs < 1 || o.Time < 0 {
		return nil, badOption("--repeat %d --time %s: give one repetition at least, and a time of zero or more", o.Runs, o.Time)
	}
	peers, err := o.peers()
	if err != nil {
		return nil, err
	}
	all := []contender{o.webim(root)}
	for _, p := range peers {
		all = append(all, contender{p.Name, p.What, p.Dialect, func(ctx context.Context) error { return prepare(ctx, p, root) },
			func(ctx context.Context) (*Server, string, error) { return p.Start(ctx, root) }})
	}
	return o.compare(ctx, cfg, all)
}

func (o Suite) peers() ([]Peer, error) {
	if len(o.Peers) == 0 && o.Quick {
		return FindPeers(quickPeers)
	}
	return FindPeers(o.Peers)
}

// webim is the one that all others are compared with.
func (o Suite) webim(root string) contender {
	program := o.Webim
	if !filepath.IsAbs(program) {
		program = filepath.Join(root, program)
	}
	start := func(ctx context.Context) (*Server, string, error) {
		return startAnnounced(ctx, "webim", []string{program, "serve", "--dev", "--listen", "127.0.0.1:0", "--log-level", "warn"})
	}
	return contender{"webim", "webim", Plain, func(ctx context.Context) error {
		s, url, err := start(ctx)
		if err != nil {
			return fmt.Errorf("%w; make build builds it", err)
		}
		defer s.Stop()
		return Smoke{URL: url}.Run(ctx)
	}, start}
}

// prepare builds a peer and proves that it has chat rooms: else its figures count for nothing.
func prepare(ctx context.Context, p Peer, root string) error {
	if why := p.Absent(ctx); why != "" {
		return errors.New(why)
	}
	if err := p.Build(ctx, root); err != nil {
		return err
	}
	return p.Smoke(ctx, root)
}

// compare runs all stages with all that can take part. Without the first, webim, there is nothing to compare with.
func (o Suite) compare(ctx context.Context, cfg Config, all []contender) (*Results, error) {
	res := &Results{}
	var ready []contender
	for i, c := range all {
		err := c.prepare(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			res.LeftOut = append(res.LeftOut, fmt.Sprintf("%s is left out: %v", c.name, err))
			o.log("%-10s left out: %v", c.name, err)
			continue
		}
		o.log("%-10s is ready, and a chat room", c.name)
		ready = append(ready, c)
	}
	stages := o.stages
	if stages == nil && o.Quick {
		stages = quickStages()
	} else if stages == nil {
		stages = fullStages()
	}
	for _, s := range stages {
		r := StageResult{Name: s.name, What: s.what, show: s.show}
		for _, c := range ready {
			r.Servers = append(r.Servers, ServerResult{Name: c.name, What: c.what})
		}
		res.Stages = append(res.Stages, r)
	}
	o.repeat(ctx, cfg, ready, stages, res)
	res.disturbances()
	res.Partial = res.Partial || ctx.Err() != nil
	return res, nil
}

// time is how long the runs may take together.
func (o Suite) time() time.Duration {
	if o.Time == 0 && o.Quick {
		return 4 * time.Minute
	}
	return orDefault(o.Time, 40*time.Minute)
}

// repeat runs all stages again and again. A repetition that would not end in time is not begun: the longest so far tells.
func (o Suite) repeat(ctx context.Context, cfg Config, ready []contender, stages []stage, res *Results) {
	start, longest := time.Now(), time.Duration(0)
	for res.Runs < o.Runs && ctx.Err() == nil {
		if res.Runs > 0 && time.Since(start)+longest > o.time() {
			res.Notes = append(res.Notes, fmt.Sprintf("%d repetitions; another one takes %s, which is more than what is left of %s", res.Runs, longest.Round(time.Second), o.time()))
			return
		}
		began := time.Now()
		res.Runs++
		for i, s := range stages {
			for k, c := range ready {
				if time.Since(start) > o.time() {
					res.Partial = true
					res.Notes = append(res.Notes, fmt.Sprintf("the time of %s was over in repetition %d, before %s of %s", o.time(), res.Runs, s.name, c.name))
					return
				}
				if ctx.Err() != nil {
					return
				}
				o.one(ctx, cfg, c, s, &res.Stages[i].Servers[k], res)
			}
		}
		longest = max(longest, time.Since(began))
	}
}

// one is one run of one server. Who has failed in a stage does not run it again.
func (o Suite) one(ctx context.Context, cfg Config, c contender, s stage, into *ServerResult, res *Results) {
	if into.Failed != "" {
		into.Runs = append(into.Runs, nil)
		return
	}
	began := time.Now()
	cfg.Dialect = c.dialect
	r, err := runOnce(ctx, cfg, c, s)
	if ctx.Err() != nil {
		return // half a run says nothing
	}
	what := "done"
	if why := failure(r, err, s); why != "" {
		into.Failed, what = why, why
	}
	if r != nil && (into.Failed == "" || err == nil && !r.Interrupted) {
		into.Runs = append(into.Runs, r)
		for _, why := range r.LimitedBy {
			res.note("%s, %s: the client was the limit: %s", s.name, c.name, why)
		}
		for _, n := range r.Notes {
			if !strings.HasPrefix(n, othersBusy) { // of which there is one note for all
				res.note("%s, %s: %s", s.name, c.name, n)
			}
		}
	} else {
		into.Runs = append(into.Runs, nil)
	}
	o.log("run %d  %-20s %-10s %5.1f s  %s", res.Runs, s.name, c.name, time.Since(began).Seconds(), what)
}

// runOnce starts the server, measures, and stops it, in the stage's time.
func runOnce(ctx context.Context, cfg Config, c contender, s stage) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	server, url, err := c.start(ctx)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	cfg.URL, cfg.PID, cfg.Label = url, server.PID(), c.name
	return s.run.Run(ctx, cfg)
}

// failure says why a server need not run a stage again: it did not end, could not be measured, or did not keep up by far.
func failure(r *Report, err error, s stage) string {
	const most = 0.1 // of the deliveries may be lost; who loses more says nothing by its latency either
	switch {
	case errors.Is(err, context.DeadlineExceeded) || r != nil && r.Interrupted:
		return fmt.Sprintf("was not done after %s", s.limit)
	case err != nil:
		return err.Error()
	}
	for _, lost := range r.losses() {
		if lost > most {
			return fmt.Sprintf("does not keep up: %.0f %% of the deliveries did not come", 100*lost)
		}
	}
	return ""
}

// losses are the shares of the deliveries that did not come, of each step.
func (r *Report) losses() (shares []float64) {
	share := func(lost, expected int64) { shares = append(shares, float64(lost)/float64(max(expected, 1))) }
	for _, f := range r.Flood {
		share(f.Lost, f.Expected)
	}
	if r.Rooms != nil {
		for i := range r.Rooms.Steps {
			s := &r.Rooms.Steps[i].Server
			share(s.Lost, s.Expected)
		}
	}
	return shares
}

// disturbances sums up in how many runs other processes were busy.
func (r *Results) disturbances() {
	disturbed, all := 0, 0
	for _, s := range r.Stages {
		for _, v := range s.Servers {
			for _, run := range v.Runs {
				if run == nil {
					continue
				}
				all++
				if slices.ContainsFunc(run.Notes, func(n string) bool { return strings.HasPrefix(n, othersBusy) }) {
					disturbed++
				}
			}
		}
	}
	if disturbed > 0 {
		r.note("in %d of %d runs other processes were busy too: figures are worse than the servers are; ratios suffer less", disturbed, all)
	}
}

func (o Suite) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}

func (r *Results) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.Notes, text) && len(r.Notes) < 40 {
		r.Notes = append(r.Notes, text)
	}
}

// figures returns a figure of all runs, by its name: NaN where there is none.
func (s ServerResult) figures(name string) (v []float64) {
	for _, r := range s.Runs {
		got := math.NaN()
		if r != nil {
			for _, f := range r.Figures() {
				if f.Name() == name {
					got = f.Value
				}
			}
		}
		v = append(v, got)
	}
	return v
}

// measured are those that there are.
func measured(v []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(v), math.IsNaN)
}
