package bench

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// quick is a Config without pauses.
func quick(s *chatServer) Config {
	return Config{URL: s.url, Settle: time.Millisecond, Timeout: 5 * time.Second, Floor: floorCommand("127.0.0.1:0")}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*chatServer{"ws": (&chatServer{}).start(t), "wss": (&chatServer{greet: appendFrame(nil, opPing, nil, nil)}).startTLS(t)} {
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
	s := (&chatServer{refuse: func(n int) int {
		if n >= 25 {
			return 503
		}
		return 0
	}}).start(t)
	r, err := Idle{Clients: []int{10, 30}}.Run(context.Background(), quick(s))
	if err != nil || r.Idle.Steps[1].Clients != 25 || r.Idle.Failures["HTTP status 503"] != 5 {
		t.Errorf("%v %+v", err, r.Idle)
	}
}

func TestFanoutAndQuiet(t *testing.T) {
	t.Parallel()
	s := (&chatServer{delay: 20 * time.Millisecond}).start(t)
	r, err := Fanout{Clients: 30, Rounds: 5, Block: 2, Size: FixedSize(128)}.Run(context.Background(), quick(s))
	if err != nil {
		t.Fatal(err)
	}
	f := r.Fanout
	if len(r.Samples) == 0 {
		t.Error("no samples")
	}
	if f.Rounds != 5 || f.Server.Lost+f.Floor.Lost != 0 || f.Server.Last.Min < 20 || f.Floor.Last.Min <= 0 || f.CPURatio.Median <= 0 || len(f.Server.cpu) != 3 {
		t.Errorf("%+v", f)
	}
	if r, err = (Quiet{Clients: 10, Rounds: 3, Size: FixedSize(16), Every: time.Millisecond}).Run(context.Background(), quick(s)); err != nil {
		t.Fatal(err)
	}
	if q := r.Quiet; q.Rounds != 3 || q.Server.Lost+q.Floor.Lost != 0 || q.Server.Median.Min < 20 || q.LastRatio.Median <= 0 {
		t.Errorf("%+v", q)
	}
}

func TestFanoutCountsLosses(t *testing.T) {
	t.Parallel()
	s := &chatServer{receive: func(n int, p []byte) [][]byte {
		if n == 1 {
			return nil
		}
		return [][]byte{p, p}
	}}
	cfg := quick(s.start(t))
	cfg.Timeout = 300 * time.Millisecond
	r, err := Fanout{Clients: 10, Rounds: 3, Block: 1, Size: FixedSize(128)}.Run(context.Background(), cfg)
	if err != nil || r.Fanout.Server.Lost != 10 || r.Fanout.Floor.Lost != 0 {
		t.Fatalf("%v %+v", err, r.Fanout)
	}
}

func TestPair(t *testing.T) {
	t.Parallel()
	s := (&chatServer{delay: 5 * time.Millisecond}).start(t)
	r, err := Pair{Clients: 10, Senders: 2, Rate: 50, Seconds: .5, Every: time.Millisecond, Size: FixedSize(128)}.Run(context.Background(), quick(s))
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Pair; p.Trips == 0 || p.AloneTrips == 0 || p.Lost != 0 || p.Alone.P50 < 5 || p.Beside.P50 < 5 || p.Flood.Lost != 0 || p.Flood.Foreign != 0 {
		t.Errorf("%+v", p)
	}
}

func TestStorm(t *testing.T) {
	t.Parallel()
	s := (&chatServer{delay: 20 * time.Millisecond, refuse: func(n int) int { // 5 stay, 100 come, 30 of those who come back are refused once
		if n >= 105 && n < 135 {
			return 503
		}
		return 0
	}}).start(t)
	r, err := Storm{Clients: 100, Rounds: 1, Stay: 5, Rate: 200, Size: FixedSize(128)}.Run(context.Background(), quick(s))
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
	if r, err = (Storm{Clients: 10, Rounds: 1}).Run(context.Background(), quick(s)); err != nil || r.Storm.Rounds[0].Traffic != nil || len(r.more()) != 0 {
		t.Errorf("without those who stay: %v %+v", err, r.Storm)
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	for _, patience := range []time.Duration{0, 100 * time.Millisecond} {
		s := (&chatServer{patience: patience}).start(t)
		o := Slow{Clients: 8, Stuck: 2, Senders: 2, Rate: 100, Size: FixedSize(60000), Seconds: .5}
		if patience == 0 {
			o.Size = FixedSize(100) // what the kernel holds for them: they are never slow
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
	s := (&chatServer{}).start(t)
	r, err := Big{Clients: 20, Size: FixedSize(61440), After: time.Millisecond}.Run(context.Background(), quick(s))
	if err != nil || r.Big.Echoed != 20 || r.Big.Clients != 20 || r.Big.After <= 0 {
		t.Errorf("%v %+v", err, r.Big)
	}
}

func TestFleetTimeoutAndClosing(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f, err := NewFleet(Config{URL: "ws://" + ln.Addr().String(), Timeout: 200 * time.Millisecond, InFlight: 3}, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if failed, err := f.Dial(context.Background(), 0, 10); failed != 10 || err != nil || f.Failures()[errTimeout.Error()] != 10 {
		t.Errorf("%d %v %v", failed, err, f.Failures())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Dial(ctx, 0, 10); err == nil {
		t.Error("not interrupted")
	}
}

func TestStartServer(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := ln.Addr().String()
	ctx := context.Background()
	if _, err := StartServer(ctx, "true", "ws://"+at); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("occupied: %v", err)
	}
	ln.Close()
	if _, err := StartServer(ctx, "echo no such thing; exit 1", "ws://"+at); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("ends at once: %v", err)
	}
	s, err := StartServer(ctx, strings.Join(floorCommand(at), " "), "ws://"+at)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	r, err := small.Run(ctx, Config{URL: "ws://" + at, PID: s.PID()})
	if err != nil || r.Flood[0].Lost != 0 || r.Flood[0].CPU <= 0 || !strings.Contains(r.Conditions.Server, "bench.test") {
		t.Errorf("%v %+v", err, r)
	}
}
