package bench

import (
	"context"
	"fmt"
	"time"
)

// Storm cuts all clients at once, by RST, and brings them back as fast as they get in.
type Storm struct {
	Clients int `default:"10000" help:"Clients."`
	Rounds  int `default:"3" help:"How many times."`
}

// StormRound is one of the times.
type StormRound struct {
	CutSeconds  float64 `json:"cut_seconds"`  // how long the cutting took
	BackSeconds float64 `json:"back_seconds"` // from the last cut to the last 101
	Back        int     `json:"back"`
	Failed      int     `json:"failed"` // handshakes, each tried again
	CPU         float64 `json:"server_cpu_us_per_client"`
	Usage       Usage   `json:"usage"`
}

// StormResult is all of them.
type StormResult struct {
	Rounds   []StormRound   `json:"rounds"`
	Seconds  Spread         `json:"back_seconds"`
	InFlight int            `json:"handshakes_in_flight"` // at most
	Failures map[string]int `json:"failures"`
}

// retryEvery is the pause before those that were refused try again.
const retryEvery = 10 * time.Millisecond

// Run measures.
func (o Storm) Run(ctx context.Context, cfg Config) (*Report, error) {
	r, server, err := newReport(&cfg, "storm", o)
	if err != nil {
		return nil, err
	}
	f, err := NewFleet(cfg, o.Clients, orDefault(cfg.Receivers, 2)) // half of the work is ours: connecting costs more than accepting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.mustOpen(ctx, r); err != nil {
		return r, err
	}
	defer r.sample(f, server)()
	r.Storm = &StormResult{InFlight: cfg.inFlight()}
	var seconds []float64
	for i := range o.Rounds {
		if err = pause(ctx, cfg, fmt.Sprintf("storm %d", i+1), time.Second); err != nil {
			break
		}
		round := o.round(ctx, f, server, r)
		r.Storm.Rounds, seconds = append(r.Storm.Rounds, round), append(seconds, round.BackSeconds)
		if round.Back < o.Clients {
			r.note("in storm %d only %d of %d clients were back after %s", i+1, round.Back, o.Clients, cfg.timeout())
		}
	}
	r.Storm.Seconds, r.Storm.Failures = spreadOf(seconds), f.Failures()
	r.Interrupted = ctx.Err() != nil
	return r, nil
}

func (o Storm) round(ctx context.Context, f *Fleet, server process, r *Report) StormRound {
	var res StormRound
	begin := now()
	f.Reset()
	cut, guard := now(), watch(f, server)
	for {
		failed, err := f.Dial(ctx, 0, len(f.clients))
		res.Failed += failed
		if failed == 0 || err != nil || now()-cut > int64(f.cfg.timeout()) {
			break
		}
		sleepUntil(now() + int64(retryEvery))
	}
	res.Usage = guard.usage()
	r.LimitedBy = append(r.LimitedBy, res.Usage.judge(0, 0)...)
	guard.remark(r, res.Usage)
	res.Back, res.CutSeconds, res.BackSeconds = f.Open(), float64(cut-begin)/1e9, float64(f.lastOpen.Load()-cut)/1e9
	res.CPU = float64(server.cpu()-guard.cpu) / 1e3 / float64(max(1, res.Back))
	return res
}

func (r *StormResult) rows() [][]string {
	rows := [][]string{{"storm", "cut s", "all back s", "back", "failed", "server µs/client", "server cores", "client cores"}}
	for i, s := range r.Rounds {
		rows = append(rows, []string{fmt.Sprint(i + 1), cell(s.CutSeconds), cell(s.BackSeconds), fmt.Sprint(s.Back), fmt.Sprint(s.Failed), cell(s.CPU), cell(s.Usage.Server), cell(s.Usage.Client)})
	}
	return append(rows, []string{"median", "", cell(r.Seconds.Median), "", "", "", "", ""})
}
