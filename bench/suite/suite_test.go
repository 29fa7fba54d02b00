package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/scenario"
	"webim/bench/stat"
)

// floorAs returns a floor server as a participant.
func floorAs(name string) participant {
	return participant{name, "the floor", client.Plain, func(context.Context) error { return nil }, func(ctx context.Context) (*proc.Server, string, error) {
		return proc.StartAnnounced(ctx, name, benchtest.FloorCommand("127.0.0.1:0"))
	}}
}

// tiny returns a suite of one short flood.
func tiny(runs int) Suite {
	s := floodStage(100)
	s.run = scenario.Flood{Clients: 10, Senders: 2, Rate: []float64{100}, Seconds: .2, Size: option.FixedSize(128), Grace: 10 * time.Second}
	s.limit = time.Minute
	return Suite{Runs: runs, stages: []stage{s}}
}

// listen returns the names of the servers in the order of their runs.
func (o *Suite) listen() *[]string {
	names := &[]string{}
	o.Log = func(line string) {
		if f := strings.Fields(line); f[0] == "run" {
			*names = append(*names, f[6])
		}
	}
	return names
}

// Servers run in turns, and a ratio is that of runs close in time.
func TestSuiteTakesTurns(t *testing.T) {
	t.Parallel()
	o := tiny(3)
	order := o.listen()
	res, err := o.compare(context.Background(), client.Config{}, []participant{floorAs("webim"), floorAs("other")})
	if err != nil || res.Partial || res.Runs != 3 {
		t.Fatalf("%v %+v", err, res)
	}
	if want := []string{"webim", "other", "webim", "other", "webim", "other"}; !slices.Equal(*order, want) {
		t.Errorf("%q", *order)
	}
	var text, page bytes.Buffer
	if res.WriteText(&text) != nil || res.WriteHTML(&page) != nil || !strings.Contains(text.String(), "×webim") || !strings.Contains(text.String(), "1.00") {
		t.Errorf("%s", text.String())
	}
	if n := strings.Count(page.String(), "<svg"); n < 4 || strings.Contains(page.String(), "NaN") || strings.Contains(page.String(), "://") {
		t.Errorf("%d charts: %s", n, page.String())
	}
	dir := t.TempDir()
	if err := res.WriteRuns(dir); err != nil {
		t.Fatal(err)
	}
	if all, err := report.ReadReports(filepath.Join(dir, "flood-100-other.json")); err != nil || len(all) != 3 {
		t.Errorf("%v: %d reports", err, len(all))
	}
}

// A server that cannot take part, does not start, never answers or loses messages is reported, and does not run a stage
// again.
func TestSuiteWithoutTheBroken(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	absent, dead, mute, lossy := floorAs("absent"), floorAs("dead"), floorAs("mute"), floorAs("lossy")
	absent.prepare = func(context.Context) error { return errors.New("it is not installed") }
	dead.start = func(ctx context.Context) (*proc.Server, string, error) {
		return proc.StartAnnounced(ctx, "dead", []string{"sh", "-c", "echo oops; exit 3"})
	}
	mute.start = func(ctx context.Context) (*proc.Server, string, error) {
		s, _, err := proc.StartAnnounced(ctx, "mute", benchtest.FloorCommand("127.0.0.1:0"))
		return s, "ws://" + ln.Addr().String() + "/", err
	}
	loser := (&benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		if n%2 == 0 {
			return nil
		}
		return [][]byte{p}
	}}).Start(t)
	lossy.start = func(ctx context.Context) (*proc.Server, string, error) {
		s, _, err := proc.StartAnnounced(ctx, "lossy", benchtest.FloorCommand("127.0.0.1:0"))
		return s, loser.URL, err
	}
	o := tiny(2)
	o.stages[0].limit = 8 * time.Second // less than the timeout of a handshake, which would end the mute one
	order := o.listen()
	res, err := o.compare(context.Background(), client.Config{}, []participant{floorAs("webim"), absent, dead, mute, lossy})
	if err != nil || res.Partial || len(res.LeftOut) != 1 || !strings.Contains(res.LeftOut[0], "absent is left out: it is not installed") {
		t.Fatalf("%v %+v", err, res)
	}
	if want := []string{"webim", "dead", "mute", "lossy", "webim"}; !slices.Equal(*order, want) {
		t.Errorf("%q", *order)
	}
	for i, says := range []string{"", "must name", "did not end within 8s", "50 % of the deliveries"} {
		if s := res.Stages[0].Servers[i]; says == "" && s.Failed != "" || !strings.Contains(s.Failed, says) || len(s.Runs) != 2 {
			t.Errorf("%s: %q, %d runs", s.Name, s.Failed, len(s.Runs))
		}
	}
	var text bytes.Buffer
	if res.WriteText(&text) != nil || strings.Count(text.String(), "note: ") < 4 {
		t.Errorf("%s", text.String())
	}
}

// When the time is over, and at Ctrl-C, the results so far remain.
func TestSuiteEndsEarly(t *testing.T) {
	t.Parallel()
	both := []participant{floorAs("webim"), floorAs("other")}
	o := tiny(1000)
	o.Time = 8 * time.Second // enough for a round on a busy machine
	res, err := o.compare(context.Background(), client.Config{}, both)
	if err != nil || res.Runs == 0 || res.Runs == 1000 || len(res.Notes) == 0 {
		t.Errorf("%v %+v", err, res)
	}
	o = tiny(1000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Log = func(line string) {
		if strings.HasPrefix(line, "run 1") {
			cancel()
		}
	}
	if res, err = o.compare(ctx, client.Config{}, both); err != nil || !res.Partial || res.Stages[0].Servers[0].Runs[0] == nil {
		t.Errorf("%v %+v", err, res)
	}
	no := floorAs("webim")
	no.prepare = func(context.Context) error { return fmt.Errorf("not built: %w", os.ErrNotExist) }
	if _, err := tiny(1).compare(context.Background(), client.Config{}, []participant{no}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without webim: %v", err)
	}
}

// Every figure of a table exists in the reports of its stage.
func TestSuiteShowsFiguresThatExist(t *testing.T) {
	t.Parallel()
	for _, s := range slices.Concat(quickStages(), fullStages()) {
		r := &report.Report{}
		one := stat.Spread{Median: 1, Min: 1, Max: 1}
		switch o := s.run.(type) {
		case scenario.Idle:
			n := o.Clients[len(o.Clients)-1]
			r.Idle = &report.IdleResult{PerClient: 1, Steps: []report.IdleStep{{Clients: n, PerSec: 1}}}
		case scenario.Flood:
			r.Flood = []report.FloodResult{{Rate: o.Rate[0], CPU: 1, PerSecond: 1, Latency: stat.Latency{P50: 1, P90: 1, P99: 1, P999: 1, Max: 1}}}
		case scenario.Fanout:
			side := report.FanoutSide{Median: one, Last: one, CPU: one}
			r.Fanout = &report.FanoutResult{Server: side, Floor: side, CPURatio: one}
		case scenario.Rooms:
			step := report.RoomsStep{Members: o.Members[0], PerRoom: 1, CPURatio: one, Server: report.RoomsSide{Messages: one, Deliveries: one, PerMessage: one, PerDelivery: one, Latency: stat.Latency{P50: 1, P99: 1}}}
			r.Rooms = &report.RoomsResult{}
			for _, step.Rate = range o.Rate {
				r.Rooms.Steps = append(r.Rooms.Steps, step)
			}
		case scenario.Storm:
			r.Storm = &report.StormResult{Seconds: one, Rounds: []report.StormRound{{Traffic: &report.StormTraffic{Calm: stat.Latency{P99: 1}, Storm: stat.Latency{P99: 1}}}}}
		case scenario.Slow:
			r.Slow = &report.SlowResult{PeakPerStuck: 1, Without: report.SlowSide{Latency: stat.Latency{P99: 1}}, With: report.SlowSide{Latency: stat.Latency{P99: 1}}}
		}
		v := ServerResult{Runs: []*report.Report{r}}
		for _, name := range s.show {
			if len(measured(v.figures(name))) != 1 {
				t.Errorf("%s: there is no %q", s.name, name)
			}
		}
	}
}
