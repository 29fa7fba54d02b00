package bench

import (
	"context"
	"fmt"
	"time"
)

// Storm cuts all clients at once, by RST, and brings them back as fast as they get in, while others stay in the same room and talk: what those see of it counts too.
type Storm struct {
	Clients int     `default:"10000" help:"Clients that are cut."`
	Rounds  int     `default:"3" help:"How many times."`
	Stay    int     `default:"50" help:"Clients that stay in the room, and are checked; 0: none."`
	Rate    float64 `default:"20" help:"Messages a second of those who stay, to all who are there."`
	Size    Size    `default:"128" help:"Payload in bytes, 16 at least: 128, a range 64-1024, or weighted 128:90,4096:10."`
}

// StormRound is one of the times.
type StormRound struct {
	CutSeconds  float64 `json:"cut_seconds"`  // how long the cutting took
	BackSeconds float64 `json:"back_seconds"` // from the last cut to the last 101
	Back        int     `json:"back"`
	Failed      int     `json:"failed"` // handshakes, each tried again
	CPU         float64 `json:"server_cpu_us_per_client"`
	Usage       Usage   `json:"usage"`

	Traffic *StormTraffic `json:"traffic,omitempty"`
}

// StormTraffic is what those who stay saw of a round; latency is from the time at which a message was meant to be sent.
type StormTraffic struct {
	Calm  Latency `json:"before"` // in the second before the cut
	Storm Latency `json:"during"` // from the cut until all were back
	Sent  int     `json:"sent"`   // during
	Lost  int64   `json:"lost"`   // deliveries, to those who stay
	Gone  int     `json:"gone"`   // of those who stay
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

func (o Storm) check() error {
	if o.Rounds < 1 || o.Clients < 1 {
		return badOption("--clients %d --rounds %d: give one of each at least", o.Clients, o.Rounds)
	}
	if o.Stay == 0 {
		return nil
	}
	return o.talk(o.Stay).check()
}

// talk is the traffic of those who stay, as a flood; half of them send.
func (o Storm) talk(stay int) Flood {
	return Flood{Clients: stay, Senders: max(1, stay/2), Rate: []float64{o.Rate}, Seconds: 1, Size: o.Size}
}

// Run measures.
func (o Storm) Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := newReport(&cfg, "storm", o)
	if err != nil {
		return nil, err
	}
	f, err := NewFleet(cfg, o.Clients, orDefault(cfg.Receivers, 2)) // half of the work is ours: connecting costs more than accepting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var stay *Fleet
	if o.Stay > 0 {
		if stay, err = NewFleet(cfg, o.Stay, 1); err != nil { // a thread of its own: the handshakes must not delay it
			return nil, err
		}
		defer stay.Close()
		if err := stay.mustOpen(ctx, r); err != nil {
			return r, err
		}
	}
	if err := f.mustOpen(ctx, r); err != nil {
		return r, err
	}
	r.Storm = &StormResult{InFlight: cfg.inFlight()}
	stop := r.sample(f, server)
	o.rounds(ctx, f, stay, server, r)
	stop()
	r.Storm.Failures = f.Failures()
	r.Interrupted = ctx.Err() != nil
	if missing := o.Clients - f.Open(); missing > 0 && !r.Interrupted {
		return r, absentees(missing, f)
	}
	return r, nil
}

func (o Storm) rounds(ctx context.Context, f, stay *Fleet, server process, r *Report) {
	var seconds []float64
	for i := range o.Rounds {
		calm := o.listen(stay)
		err := pause(ctx, f.cfg, fmt.Sprintf("storm %d", i+1), time.Second)
		before, _, _ := calm.end()
		if err != nil {
			return
		}
		during := o.listen(stay)
		round := o.round(ctx, f, server, r)
		if stay != nil {
			round.Traffic = &StormTraffic{Calm: before, Gone: stay.Gone()}
			round.Traffic.Storm, round.Traffic.Sent, round.Traffic.Lost = during.end()
		}
		r.Storm.Rounds, seconds = append(r.Storm.Rounds, round), append(seconds, round.BackSeconds)
		r.Storm.Seconds = spreadOf(seconds)
		if round.Back < o.Clients {
			r.note("in storm %d only %d of %d clients were back after %s", i+1, round.Back, o.Clients, f.cfg.timeout())
		}
	}
}

// listening is the traffic of those who stay, for as long as something else takes; nil: nobody stays.
type listening struct {
	run   *floodRun
	fleet *Fleet
}

func (o Storm) listen(stay *Fleet) *listening {
	if stay == nil {
		return nil
	}
	longest := 3*stay.cfg.timeout().Seconds() + 5 // more than a storm may take
	s := newSchedule(now()+1e6, o.Rate, longest, max(1, o.Stay/2))
	return &listening{startFlood(stay, s, o.Size, 0, stay.clients), stay}
}

// end stops the traffic, waits for what is under way, and says what it was.
func (l *listening) end() (latency Latency, sent int, lost int64) {
	if l == nil {
		return latency, 0, 0
	}
	l.run.halt()
	want := int64(l.run.sent) * int64(l.fleet.Open())
	for deadline := time.Now().Add(3 * time.Second); l.run.received() < want && time.Now().Before(deadline); {
		time.Sleep(pollEvery)
	}
	sum := l.run.collect()
	return sum.hist.Latency(), sum.sent, int64(sum.sent)*int64(len(l.fleet.clients)) - sum.received.Load()
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

// trafficRows are about those who stay; nil if nobody does.
func (r *StormResult) trafficRows() [][]string {
	rows := [][]string{{"those who stay", "p50 ms before", "p99", "max", "p50 ms during", "p99", "max", "messages", "lost", "gone"}}
	for i, s := range r.Rounds {
		if t := s.Traffic; t != nil {
			rows = append(rows, []string{fmt.Sprintf("storm %d", i+1), cell(t.Calm.P50), cell(t.Calm.P99), cell(t.Calm.Max), cell(t.Storm.P50), cell(t.Storm.P99), cell(t.Storm.Max),
				fmt.Sprint(t.Sent), fmt.Sprint(t.Lost), fmt.Sprint(t.Gone)})
		}
	}
	if len(rows) == 1 {
		return nil
	}
	return rows
}

// traffic is the median round's latency, before and during, as p99.
func (r *StormResult) traffic() (calm, storm Spread) {
	var a, b []float64
	for _, s := range r.Rounds {
		if s.Traffic != nil {
			a, b = append(a, s.Traffic.Calm.P99), append(b, s.Traffic.Storm.P99)
		}
	}
	return spreadOf(a), spreadOf(b)
}
