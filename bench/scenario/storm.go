package scenario

import (
	"context"
	"fmt"
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/stat"
)

// Storm cuts all clients at once, by RST, and reconnects them as fast as possible. Other clients stay in the same room and
// send messages; their latency counts, too.
type Storm struct {
	Clients int         `default:"10000" help:"Number of clients that are cut."`
	Rounds  int         `default:"3" help:"Number of storms."`
	Stay    int         `default:"50" help:"Number of clients that stay in the room and are checked; 0 means none."`
	Rate    float64     `default:"20" help:"Messages per second of the clients that stay, to all clients in the room."`
	Size    option.Size `default:"128" help:"Payload length in bytes, at least 16: one length (128), a range (64-1024), or weighted (128:90,4096:10)."`
}

// retryEvery is the pause before refused clients try again.
const retryEvery = 10 * time.Millisecond

func (o Storm) check() error {
	if o.Rounds < 1 || o.Clients < 1 {
		return option.Bad("--clients %d --rounds %d: give at least 1 for both", o.Clients, o.Rounds)
	}
	if o.Stay == 0 {
		return nil
	}
	return o.flood(o.Stay).check()
}

// flood returns the traffic of the clients that stay as a flood; half of them send.
func (o Storm) flood(stay int) Flood {
	return Flood{Clients: stay, Senders: max(1, stay/2), Rate: []float64{o.Rate}, Seconds: 1, Size: o.Size}
}

// Run runs the scenario.
func (o Storm) Run(ctx context.Context, cfg client.Config) (*report.Report, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r, server, err := load.NewReport(&cfg, "storm", o)
	if err != nil {
		return nil, err
	}
	f, err := load.NewLocal(cfg, o.Clients, option.OrDefault(cfg.Receivers, 2)) // half of the work is the client's: connecting takes more time than accepting
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var stay *load.Local
	if o.Stay > 0 {
		if stay, err = load.NewLocal(cfg, o.Stay, 1); err != nil { // a thread of its own, so that the handshakes do not delay it
			return nil, err
		}
		defer stay.Close()
		if err := stay.MustOpen(ctx, r); err != nil {
			return r, err
		}
	}
	if err := f.MustOpen(ctx, r); err != nil {
		return r, err
	}
	r.Storm = &report.StormResult{InFlight: cfg.MaxHandshakes()}
	stop := load.StartSampling(r, f, server)
	o.rounds(ctx, f, stay, server, r)
	stop()
	r.Storm.Failures = f.Failures()
	r.Interrupted = ctx.Err() != nil
	if missing := o.Clients - f.Open(); missing > 0 && !r.Interrupted {
		return r, load.NotConnected(missing, f)
	}
	return r, nil
}

func (o Storm) rounds(ctx context.Context, f, stay *load.Local, server proc.Process, r *report.Report) {
	var seconds []float64
	for i := range o.Rounds {
		calm := o.startTraffic(stay)
		err := pause(ctx, f.Config(), fmt.Sprintf("storm %d", i+1), time.Second)
		before, _, _ := calm.end()
		if err != nil {
			return
		}
		during := o.startTraffic(stay)
		round := o.round(ctx, f, server, r)
		if stay != nil {
			round.Traffic = &report.StormTraffic{Calm: before, Gone: stay.Gone()}
			round.Traffic.Storm, round.Traffic.Sent, round.Traffic.Lost = during.end()
		}
		r.Storm.Rounds, seconds = append(r.Storm.Rounds, round), append(seconds, round.BackSeconds)
		r.Storm.Seconds = stat.SpreadOf(seconds)
		if round.Back < o.Clients {
			r.Note("in storm %d only %d of %d clients were back after %s", i+1, round.Back, o.Clients, f.Config().ReplyTimeout())
		}
	}
}

// traffic is the running traffic of the clients that stay; nil if there are none.
type traffic struct {
	run   *load.LocalRun
	fleet *load.Local
}

func (o Storm) startTraffic(stay *load.Local) *traffic {
	if stay == nil {
		return nil
	}
	longest := 3*stay.Config().ReplyTimeout().Seconds() + 5 // longer than a storm may take
	s := load.NewSchedule(stat.Now()+1e6, o.Rate, longest, max(1, o.Stay/2))
	return &traffic{load.StartFlood(stay, s, o.Size, 0, stay.Clients), stay}
}

// end stops the traffic, waits for the last deliveries, and returns the result.
func (l *traffic) end() (latency stat.Latency, sent int, lost int64) {
	if l == nil {
		return latency, 0, 0
	}
	l.run.Halt()
	want := int64(l.run.Sent) * int64(l.fleet.Open())
	for deadline := time.Now().Add(3 * time.Second); l.run.Received() < want && time.Now().Before(deadline); {
		time.Sleep(load.PollEvery)
	}
	sum := l.run.Collect()
	return sum.Hist.Latency(), sum.Sent, int64(sum.Sent)*int64(len(l.fleet.Clients)) - sum.Received.Load()
}

func (o Storm) round(ctx context.Context, f *load.Local, server proc.Process, r *report.Report) report.StormRound {
	var res report.StormRound
	begin := stat.Now()
	f.Reset()
	cut, guard := stat.Now(), load.StartGuard(f, server)
	for {
		failed, err := f.Dial(ctx, 0, len(f.Clients))
		res.Failed += failed
		if failed == 0 || err != nil || stat.Now()-cut > int64(f.Config().ReplyTimeout()) {
			break
		}
		stat.SleepUntil(stat.Now() + int64(retryEvery))
	}
	res.Usage = guard.Usage()
	r.LimitedBy = append(r.LimitedBy, res.Usage.ClientLimits(0, 0)...)
	guard.Remark(r, res.Usage)
	res.Back, res.CutSeconds, res.BackSeconds = f.Open(), float64(cut-begin)/1e9, float64(f.LastOpened()-cut)/1e9
	res.CPU = float64(guard.ServerCPU()) / 1e3 / float64(max(1, res.Back))
	return res
}
