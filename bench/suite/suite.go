package suite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
)

// Suite compares webim with its peers. Every server runs every stage, each run with a new process and nothing beside it.
// Then all this is repeated (A B A B), as often as the time allows. So a disturbance of the machine affects all servers
// alike, and a ratio is that of two runs close in time.
type Suite struct {
	Quick bool          `help:"Five peers, idle and one flood, in under 5 minutes."`
	Peers []string      `help:"Peers to compare with; without names, all that can run here." placeholder:"NAME"`
	Runs  int           `default:"5" name:"repeat" help:"Maximum number of repetitions; fewer if the time is too short."`
	Time  time.Duration `default:"0s" help:"Time for all runs. No run begins after it, and no repetition that would end after it. 0s means 40m, and 4m with --quick."`
	Webim string        `default:"bin/webim" help:"Path of the webim program." type:"path"`

	// Log, if set, is called with one line after each step.
	Log func(line string) `kong:"-" json:"-"`

	stages []stage // for tests; nil means quickStages or fullStages
}

// Run runs the comparison; root is webim's repository. If ctx ends or the time is over, the results are valid but partial.
func (o Suite) Run(ctx context.Context, cfg client.Config, root string) (*Results, error) {
	if o.Runs < 1 || o.Time < 0 {
		return nil, option.Bad("--repeat %d --time %s: give at least one repetition, and a time of at least 0s", o.Runs, o.Time)
	}
	peers, err := o.peers()
	if err != nil {
		return nil, err
	}
	all := []participant{o.webim(root)}
	for _, p := range peers {
		all = append(all, participant{p.Name, p.What, p.Dialect, func(ctx context.Context) error { return prepare(ctx, p, root) },
			func(ctx context.Context) (*proc.Server, string, error) { return p.Start(ctx, root) }})
	}
	return o.compare(ctx, cfg, all)
}

// compare runs all stages with all servers that can take part. The first one is webim, without which there is no
// comparison.
func (o Suite) compare(ctx context.Context, cfg client.Config, all []participant) (*Results, error) {
	res := &Results{}
	var ready []participant
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
		o.log("%-10s is ready and has chat rooms", c.name)
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

// time returns the limit for all runs together.
func (o Suite) time() time.Duration {
	if o.Time == 0 && o.Quick {
		return 4 * time.Minute
	}
	return option.OrDefault(o.Time, 40*time.Minute)
}

// repeat runs all stages repeatedly. It does not begin a repetition that would end too late, judging by the longest one so
// far.
func (o Suite) repeat(ctx context.Context, cfg client.Config, ready []participant, stages []stage, res *Results) {
	start, longest := time.Now(), time.Duration(0)
	for res.Runs < o.Runs && ctx.Err() == nil {
		if res.Runs > 0 && time.Since(start)+longest > o.time() {
			res.Notes = append(res.Notes, fmt.Sprintf("%d repetitions; another one takes %s, which is more than the rest of %s", res.Runs, longest.Round(time.Second), o.time()))
			return
		}
		began := time.Now()
		res.Runs++
		for i, s := range stages {
			for k, c := range ready {
				if time.Since(start) > o.time() {
					res.Partial = true
					res.Notes = append(res.Notes, fmt.Sprintf("the time of %s ended in repetition %d, before %s of %s", o.time(), res.Runs, s.name, c.name))
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

// one runs one stage of one server. A server that has failed in a stage does not run it again.
func (o Suite) one(ctx context.Context, cfg client.Config, c participant, s stage, into *ServerResult, res *Results) {
	if into.Failed != "" {
		into.Runs = append(into.Runs, nil)
		return
	}
	began := time.Now()
	cfg.Dialect = c.dialect
	r, err := runOnce(ctx, cfg, c, s)
	if ctx.Err() != nil {
		return // half a run has no meaning
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
			if !strings.HasPrefix(n, report.OthersBusy) { // there is one note for all of these
				res.note("%s, %s: %s", s.name, c.name, n)
			}
		}
	} else {
		into.Runs = append(into.Runs, nil)
	}
	o.log("run %d  %-20s %-10s %5.1f s  %s", res.Runs, s.name, c.name, time.Since(began).Seconds(), what)
}

// runOnce starts the server, runs the stage within its limit, and stops the server.
func runOnce(ctx context.Context, cfg client.Config, c participant, s stage) (*report.Report, error) {
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

func (o Suite) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}
