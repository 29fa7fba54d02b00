package scenario

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
	"webim/bench/ws"
)

// until returns a context that ends when the server has received so many messages and the clients so many deliveries. A
// server that loses messages leaves a run waiting, and no fixed grace period is right for each machine.
func until(t *testing.T, s *benchtest.ChatServer, cfg client.Config, messages, deliveries int) (context.Context, client.Config) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	cfg.URL = s.URL
	cfg.Progress = func(_ string, done, _ int) {
		if n, _ := s.Counted(); n >= messages && done >= deliveries {
			cancel()
		}
	}
	return ctx, cfg
}

// quick is a Config without pauses.
func quick(s *benchtest.ChatServer) client.Config {
	return client.Config{URL: s.URL, Settle: time.Millisecond, Timeout: 20 * time.Second, Floor: benchtest.FloorCommand("127.0.0.1:0")}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*benchtest.ChatServer{"ws": (&benchtest.ChatServer{}).Start(t), "wss": (&benchtest.ChatServer{Greet: ws.AppendFrame(nil, ws.Ping, nil, nil)}).StartTLS(t)} {
		r, err := Idle{Clients: []int{20, 100}}.Run(context.Background(), quick(s))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		res := r.Idle
		if len(res.Steps) != 2 || res.Steps[0].Clients != 20 || res.Steps[1].Clients != 100 || res.Steps[1].PSS <= 0 || res.Before <= 0 || res.Gone != 0 || len(res.Failures) != 0 {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

func TestIdleNotesRefusals(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Refuse: func(n int) int {
		if n >= 25 {
			return 503
		}
		return 0
	}}).Start(t)
	r, err := Idle{Clients: []int{10, 30}}.Run(context.Background(), quick(s))
	if err == nil || r.Idle.Steps[1].Clients != 25 || r.Idle.Failures["HTTP status 503"] != 5 {
		t.Errorf("%v %+v", err, r.Idle)
	}
}

func TestFanoutAndQuiet(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Delay: 20 * time.Millisecond}).Start(t)
	r, err := Fanout{Clients: 30, Rounds: 5, Block: 2, Size: option.FixedSize(128)}.Run(context.Background(), quick(s))
	if err != nil {
		t.Fatal(err)
	}
	f := r.Fanout
	if len(r.Samples) == 0 {
		t.Error("no samples")
	}
	if f.Rounds != 5 || f.Server.Lost+f.Floor.Lost != 0 || f.Server.Last.Min < 20 || f.Floor.Last.Min <= 0 || f.CPURatio.Median <= 0 || len(f.Server.Blocks) != 3 {
		t.Errorf("%+v", f)
	}
	if r, err = (Quiet{Clients: 10, Rounds: 3, Size: option.FixedSize(16), Every: time.Millisecond}).Run(context.Background(), quick(s)); err != nil {
		t.Fatal(err)
	}
	if q := r.Quiet; q.Rounds != 3 || q.Server.Lost+q.Floor.Lost != 0 || q.Server.Median.Min < 20 || q.LastRatio.Median <= 0 {
		t.Errorf("%+v", q)
	}
}

func TestFanoutCountsLosses(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		if n == 1 {
			return nil
		}
		return [][]byte{p, p}
	}}
	cfg := quick(s.Start(t))
	cfg.Timeout = 3 * time.Second // for the message that never comes
	r, err := Fanout{Clients: 10, Rounds: 3, Block: 1, Size: option.FixedSize(128)}.Run(context.Background(), cfg)
	if err != nil || r.Fanout.Server.Lost != 10 || r.Fanout.Floor.Lost != 0 {
		t.Fatalf("%v %+v", err, r.Fanout)
	}
}

func TestPair(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Delay: 5 * time.Millisecond}).Start(t)
	r, err := Pair{Clients: 10, Senders: 2, Rate: 50, Seconds: .5, Every: time.Millisecond, Size: option.FixedSize(128)}.Run(context.Background(), quick(s))
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Pair; p.Trips == 0 || p.AloneTrips == 0 || p.Lost != 0 || p.Alone.P50 < 5 || p.Beside.P50 < 5 || p.Flood.Lost != 0 || p.Flood.Foreign != 0 {
		t.Errorf("%+v", p)
	}
}

func TestStorm(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Delay: 20 * time.Millisecond, Refuse: func(n int) int { // 5 clients stay and 100 connect; 30 of the reconnecting ones are refused once
		if n >= 105 && n < 135 {
			return 503
		}
		return 0
	}}).Start(t)
	r, err := Storm{Clients: 100, Rounds: 1, Stay: 5, Rate: 200, Size: option.FixedSize(128)}.Run(context.Background(), quick(s))
	if err != nil {
		t.Fatal(err)
	}
	st := r.Storm
	if len(st.Rounds) != 1 || st.Rounds[0].Back != 100 || st.Rounds[0].Failed != 30 || st.Failures["HTTP status 503"] != 30 || st.Rounds[0].BackSeconds <= 0 {
		t.Errorf("%+v", st)
	}
	if tr := st.Rounds[0].Traffic; tr == nil || tr.Calm.P50 < 20 || tr.Storm.P50 < 20 || tr.Sent == 0 || tr.Lost != 0 || tr.Gone != 0 {
		t.Errorf("traffic: %+v", tr)
	}
	if r, err = (Storm{Clients: 10, Rounds: 1}).Run(context.Background(), quick(s)); err != nil || r.Storm.Rounds[0].Traffic != nil || len(r.MoreTables()) != 0 {
		t.Errorf("without clients that stay: %v %+v", err, r.Storm)
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	for _, patience := range []time.Duration{0, 100 * time.Millisecond} {
		s := (&benchtest.ChatServer{Patience: patience}).Start(t)
		o := Slow{Clients: 8, Stuck: 2, Senders: 2, Rate: 100, Size: option.FixedSize(60000), Seconds: .5}
		if patience == 0 {
			o.Size = option.FixedSize(100) // the kernel buffers that much, so the clients are never slow
		} else {
			o.Rate = 200
		}
		r, err := o.Run(context.Background(), quick(s))
		if err != nil {
			t.Fatal(err)
		}
		res := r.Slow
		for i := range r.Samples[1:] {
			if r.Samples[i].At >= r.Samples[i+1].At {
				t.Errorf("samples go back in time: %v", r.Samples)
			}
		}
		if res.Without.Lost != 0 || res.With.Lost != 0 || res.Without.PSSPeak <= 0 || res.With.Gone != 0 {
			t.Errorf("patience %s: %+v", patience, res)
		}
		if want := 2; patience == 0 && res.Left != want || patience > 0 && res.Closed != want {
			t.Errorf("patience %s: %d closed, %d left", patience, res.Closed, res.Left)
		}
	}
}

func TestBig(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).Start(t)
	r, err := Big{Clients: 20, Size: option.FixedSize(61440), After: time.Millisecond}.Run(context.Background(), quick(s))
	if err != nil || r.Big.Echoed != 20 || r.Big.Clients != 20 || r.Big.After <= 0 {
		t.Errorf("%v %+v", err, r.Big)
	}
}

func TestStartServer(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := ln.Addr().String()
	ctx := context.Background()
	if _, err := proc.StartServer(ctx, "true", at); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("occupied: %v", err)
	}
	ln.Close()
	if _, err := proc.StartServer(ctx, "echo no such thing; exit 1", at); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("ends at once: %v", err)
	}
	s, err := proc.StartServer(ctx, strings.Join(benchtest.FloorCommand(at), " "), at)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	r, err := small.Run(ctx, client.Config{URL: "ws://" + at, PID: s.PID()})
	if err != nil || r.Flood[0].Lost != 0 || r.Flood[0].CPU <= 0 || !strings.Contains(r.Conditions.Server, "scenario.test") {
		t.Errorf("%v %+v", err, r)
	}
}

// The pair sends by a schedule. A stall of 300 ms in a second delays 30 of 100 messages, which the p99 shows.
func TestPairShowsAStall(t *testing.T) {
	t.Parallel()
	stalled := false
	s := (&benchtest.ChatServer{Receive: func(n int, payload []byte) [][]byte {
		if n == 150 && !stalled { // the pair is alone for 100 messages
			stalled = true
			time.Sleep(300 * time.Millisecond) // the stall itself
		}
		return [][]byte{payload}
	}}).Start(t)
	r, err := Pair{Clients: 2, Senders: 1, Rate: 10, Seconds: 1, Every: 10 * time.Millisecond, Size: option.FixedSize(128)}.Run(context.Background(), quick(s))
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Pair; p.Beside.P99 < 200 || p.Beside.P90 < 100 || p.Lost != 0 || p.Trips < 190 {
		t.Errorf("%+v", p)
	}
	if _, err := (Pair{Clients: 2, Senders: 1, Rate: 10, Seconds: 1, Size: option.FixedSize(128)}).Run(context.Background(), quick(s)); err == nil {
		t.Error("no time between messages is no schedule")
	}
}

// With one number of clients, the memory per client is relative to the server without clients.
func TestIdleOfOneCount(t *testing.T) {
	r := report.IdleResult{Before: 1000, Steps: []report.IdleStep{{Clients: 10, PSS: 4000, Kernel: 500}}}
	finishIdle(&r, &load.Local{Fleet: &client.Fleet{}})
	if r.PerClient != 300 || r.Kernel != 50 {
		t.Errorf("%+v", r)
	}
	r = report.IdleResult{Before: 1000, Steps: []report.IdleStep{{Clients: 10, PSS: 4000}, {Clients: 30, PSS: 6000}}}
	if finishIdle(&r, &load.Local{Fleet: &client.Fleet{}}); r.PerClient != 100 {
		t.Errorf("%+v", r)
	}
}

// A client that cannot connect fails the run, with a reason. The figures so far are reported.
func TestFailuresHaveReasons(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Refuse: func(n int) int {
		if n >= 5 {
			return 503
		}
		return 0
	}}).Start(t)
	r, err := Idle{Clients: []int{3, 10}}.Run(context.Background(), quick(s))
	if err == nil || !strings.Contains(err.Error(), "5 of 10 clients could not connect: 5 × HTTP status 503 (") || r == nil || len(r.Idle.Steps) != 2 {
		t.Errorf("%v %+v", err, r)
	}
}

// Messages that a server with limits refuses are reported as refused, and not only as lost.
func TestRefusalsAreReported(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Receive: func(n int, payload []byte) [][]byte {
		if n%2 == 0 {
			return nil
		}
		return [][]byte{payload}
	}}).Start(t)
	ctx, cfg := until(t, s, quick(s), 10, 4*5)
	r, err := Flood{Clients: 4, Senders: 1, Rate: []float64{50}, Seconds: .2, Size: option.FixedSize(128), Grace: 10 * time.Second}.Run(ctx, cfg)
	if err != nil || !strings.Contains(strings.Join(r.Notes, "\n"), "5 of 10 messages reached no client") {
		t.Errorf("%v %q", err, r.Notes)
	}
	s = (&benchtest.ChatServer{Receive: func(int, []byte) [][]byte { return nil }, Terms: "", Greet: ws.AppendFrame(nil, ws.Close, []byte("\x03\xf0slow down"), nil)}).Start(t)
	f, err := client.NewFleet(quick(s), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, _ = f.Dial(context.Background(), 0, 2)
	for deadline := time.Now().Add(time.Minute); f.Failures()[client.GoneMessage+"code 1008"] < 2 && time.Now().Before(deadline); {
		time.Sleep(load.PollEvery)
	}
	if f.Failures()[client.GoneMessage+"code 1008"] != 2 || len(client.HandshakeFailures(f.Failures())) != 0 {
		t.Errorf("%v", f.Failures())
	}
}
