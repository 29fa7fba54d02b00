package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
)

// talking is half a second with 50 messages.
var talking = Flood{Clients: 10, Senders: 2, Rate: []float64{100}, Seconds: 0.5, Size: option.FixedSize(32), Grace: 10 * time.Second}

func TestCentrifugeFlood(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChannelServer{Delay: 50 * time.Millisecond}).Start(t)
	r, err := talking.Run(context.Background(), client.Config{URL: s.URL, Dialect: client.Centrifuge})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Flood[0]; f.Delivered != 500 || f.Lost+f.Duplicates+f.Foreign != 0 || f.Gone != 0 || f.Latency.P50 < 50 {
		t.Errorf("%+v", f)
	}
	if c := r.Conditions; c.Dialect != client.Centrifuge || c.Channel != "lobby" || !strings.Contains(c.Terms(), "centrifuge channel lobby") {
		t.Errorf("%+v", c)
	}
	if s.Paths["/connection/websocket"] != 10 || len(s.Paths) != 1 {
		t.Error(s.Paths)
	}
}

// The Centrifuge dialect over TLS, and in several processes.
func TestCentrifugeElsewhere(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]client.Config{
		"TLS":       {URL: (&benchtest.ChannelServer{Secure: benchtest.OwnCertificate(t)}).Start(t).URL},
		"processes": {URL: (&benchtest.ChannelServer{}).Start(t).URL, Processes: 3, Worker: benchtest.WorkerCommand()},
	} {
		cfg.Dialect = client.Centrifuge
		r, err := talking.Run(context.Background(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f := r.Flood[0]; f.Delivered != 500 || f.Lost+f.Duplicates+f.Foreign != 0 || f.Gone != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Lost, duplicate and refused messages are counted, with the reason of a refusal.
func TestCentrifugeFloodCounts(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChannelServer{Copies: func(n int) int { return map[int]int{3: 0, 5: 2}[n] + map[bool]int{true: 1}[n != 3 && n != 5] },
		Refuse: func(name string, n int) int {
			if name == "publish" && n == 7 {
				return 111
			}
			return 0
		}}).Start(t)
	r, err := talking.Run(context.Background(), client.Config{URL: s.URL + "else/where", Dialect: client.Centrifuge, Channel: "busy"})
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Flood[0]; f.Lost != 20 || f.Duplicates != 10 || f.Foreign != 0 || f.Gone != 0 {
		t.Errorf("%+v", f)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "refused 1 messages") || !strings.Contains(notes, "111 as told") {
		t.Error(notes)
	}
	if s.Paths["/else/where"] != 10 || s.Channels["busy"] == nil {
		t.Error(s.Paths, s.Channels)
	}
}

func TestCentrifugeRefusals(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for command, code := range map[string]int{"connect": 101, "subscribe": 103} {
		s := &benchtest.ChannelServer{Refuse: func(name string, _ int) int { return map[string]int{command: code}[name] }}
		_, err := talking.Run(ctx, client.Config{URL: s.Start(t).URL, Dialect: client.Centrifuge})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%d as told", code)) {
			t.Errorf("%s: %v", command, err)
		}
	}
	if _, err := talking.Run(ctx, client.Config{URL: (&benchtest.ChannelServer{Close: 3501}).Start(t).URL, Dialect: client.Centrifuge}); err == nil || !strings.Contains(err.Error(), "code 3501") {
		t.Error(err)
	}
	s := (&benchtest.ChannelServer{Kick: true, Silent: true}).Start(t)
	r, err := talking.Run(ctx, client.Config{URL: s.URL, Dialect: client.Centrifuge})
	if err != nil || r.Flood[0].Gone != 2 {
		t.Errorf("%v %+v: the senders are gone", err, r)
	}
}

// The scenarios that support the dialect. If a scenario needs rooms, each room is a channel.
func TestCentrifugeScenarios(t *testing.T) {
	t.Parallel()
	cfg := func(t *testing.T) client.Config {
		return client.Config{URL: (&benchtest.ChannelServer{}).Start(t).URL, Dialect: client.Centrifuge, Settle: time.Millisecond, PID: os.Getpid(), Floor: benchtest.FloorCommand("127.0.0.1:0")}
	}
	ctx := context.Background()
	t.Run("idle", func(t *testing.T) {
		r, err := Idle{Clients: []int{5, 20}}.Run(ctx, cfg(t))
		if err != nil || r.Idle.Steps[1].Clients != 20 || len(r.Idle.Failures) != 0 || r.Idle.Gone != 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("fanout", func(t *testing.T) {
		r, err := Fanout{Clients: 10, Rounds: 4, Block: 2, Size: option.FixedSize(64)}.Run(ctx, cfg(t))
		if err != nil || r.Fanout.Server.Lost+r.Fanout.Floor.Lost != 0 || r.Fanout.Rounds != 4 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("storm", func(t *testing.T) {
		r, err := Storm{Clients: 20, Rounds: 1}.Run(ctx, cfg(t))
		if err != nil || r.Storm.Rounds[0].Back != 20 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("slow", func(t *testing.T) {
		r, err := Slow{Clients: 10, Stuck: 2, Senders: 2, Rate: 50, Size: option.FixedSize(32), Seconds: 0.4}.Run(ctx, cfg(t))
		if err != nil || r.Slow.With.Lost+r.Slow.Without.Lost != 0 || r.Slow.Left != 2 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("churn", func(t *testing.T) {
		o := coming
		o.Seconds = 0.5
		r, err := o.Run(ctx, cfg(t))
		if err != nil || r.Churn.Stayers.Lost != 0 || r.Churn.Transients.Came < 5 || r.Churn.Transients.CutOff != 0 {
			t.Errorf("%v %+v", err, r)
		}
	})
	t.Run("echo", func(t *testing.T) {
		r, err := Echo{Clients: 5, Rate: 100, Seconds: 0.3, Size: option.FixedSize(32), Grace: 10 * time.Second}.Run(ctx, cfg(t))
		if err != nil || r.Echo.Lost+r.Echo.Foreign != 0 || r.Echo.Answered != 30 {
			t.Errorf("%v %+v", err, r)
		}
	})
}

func TestDialectOptions(t *testing.T) {
	const url = "ws://127.0.0.1:1/"
	for name, cfg := range map[string]client.Config{
		"unknown":     {URL: url, Dialect: "klingon"},
		"channel":     {URL: url, Channel: "lobby"},
		"compress":    {URL: url, Dialect: client.Centrifuge, Compress: true},
		"subprotocol": {URL: url, Dialect: client.Centrifuge, Protocols: []string{"centrifuge-protobuf"}},
	} {
		var option *option.Error
		if _, err := (Idle{Clients: []int{1}}).Run(context.Background(), cfg); !errors.As(err, &option) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
