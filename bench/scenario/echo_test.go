package scenario

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/report"
)

// asking is half a second with 200 requests from 10 clients.
var asking = Echo{Clients: 10, Rate: 400, Seconds: .5, Size: option.FixedSize(128), Grace: 10 * time.Second}

// echo runs o against a server.
func echo(t *testing.T, s *benchtest.ChatServer, o Echo, cfg client.Config) *report.Report {
	t.Helper()
	cfg.URL = s.Start(t).URL
	r, err := o.Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEchoShowsDelay(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Echo{"at a rate": asking, "closed": {Clients: 10, InFlight: 3, Seconds: .5, Size: option.FixedSize(200)}} {
		res := echo(t, &benchtest.ChatServer{Delay: 50 * time.Millisecond}, o, client.Config{}).Echo
		if res.Latency.P50 < 50 || res.Lost+res.Duplicates+res.Reordered+res.Foreign != 0 || res.Answered != res.Sent || res.Answered == 0 {
			t.Errorf("%s: %+v", name, res)
		}
		if o.Rate > 0 && res.Sent != 200 || o.Rate == 0 && res.PerSecond > 3*10/.05 {
			t.Errorf("%s: %d sent, %v answers/s", name, res.Sent, res.PerSecond)
		}
	}
}

// Every hundredth message is lost, by the client's number or by the server's count.
func TestEchoCountsLosses(t *testing.T) {
	t.Parallel()
	drop := func(n int, p []byte) [][]byte {
		if n%100 == 7 {
			return nil
		}
		return [][]byte{p}
	}
	ctx, cfg := until(t, (&benchtest.ChatServer{Receive: drop}).Start(t), client.Config{}, 200, 198)
	if r, err := asking.Run(ctx, cfg); err != nil || r.Echo.Sent != 200 || r.Echo.Lost != 2 {
		t.Errorf("at a rate: %v, %+v", err, r.Echo)
	}
	o := Echo{Clients: 4, InFlight: 8, Seconds: .4, Size: option.FixedSize(16)}
	s := &benchtest.ChatServer{Receive: drop}
	res := echo(t, s, o, client.Config{Timeout: 300 * time.Millisecond}).Echo
	messages, _ := s.Counted()
	if want := int64(messages+92) / 100; res.Lost < want || res.Sent != res.Answered+res.Lost || res.Sent != int64(messages) {
		t.Errorf("closed: %+v, the server lost %d of %d", res, want, messages)
	}
}

func TestEchoDoesNotOmit(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		if n == 50 {
			time.Sleep(400 * time.Millisecond) // the behaviour under test
		}
		return [][]byte{p}
	}}
	if res := echo(t, s, asking, client.Config{}).Echo; res.Lost != 0 || res.Latency.P90 < 250 || res.Latency.Max < 390 {
		t.Errorf("%+v", res.Latency)
	}
}

func TestEchoCountsDuplicatesReorderedAndForeign(t *testing.T) {
	t.Parallel()
	held := map[uint64][]byte{} // by the client's tag: the answer that waits for the next one
	s := &benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		tag := binary.LittleEndian.Uint64(p[8:])
		switch seq := benchtest.SeqIn(p); {
		case seq == 2:
			held[tag] = p
			return nil
		case seq == 3:
			return [][]byte{p, held[tag], p, []byte("who is this?")}
		}
		return [][]byte{p}
	}}
	r := echo(t, s, Echo{Clients: 5, InFlight: 4, Seconds: .2, Size: option.FixedSize(16)}, client.Config{})
	if res := r.Echo; res.Lost != 0 || res.Duplicates != 5 || res.Reordered != 5 || res.Foreign != 5 || len(r.Notes) == 0 {
		t.Errorf("%+v", res)
	}
	// The server does not use the path as the room, so all clients receive all messages.
	o := asking
	o.OnePath, o.Rate = true, 100
	if res := echo(t, &benchtest.ChatServer{}, o, client.Config{}).Echo; res.Lost != 0 || res.Foreign == 0 || res.Foreign > res.Sent*9 {
		t.Errorf("one path: %+v", res)
	}
}

func TestEchoInterruptedAndRefused(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).Start(t)
	for _, o := range []Echo{{Clients: 2, Rate: 100, Seconds: 60, Size: option.FixedSize(16)}, {Clients: 2, InFlight: 1, Seconds: 60, Size: option.FixedSize(16)}} {
		ctx, cancel := context.WithCancel(context.Background())
		r, err := o.Run(ctx, client.Config{URL: s.URL, Progress: func(what string, done, _ int) {
			if strings.HasPrefix(what, "echo") && done > 10 {
				cancel()
			}
		}})
		if cancel(); err != nil || !r.Interrupted || r.Echo.Answered == 0 {
			t.Errorf("%v %+v", err, r)
		}
	}
	for _, o := range []Echo{{Clients: 1, Seconds: 1, Size: option.FixedSize(3), InFlight: 1}, {Clients: 1, Seconds: 1, Size: option.FixedSize(16)}, {Clients: 1, InFlight: 1, Size: option.FixedSize(16)}, {InFlight: 1, Seconds: 1, Size: option.FixedSize(16)}} {
		if _, err := o.Run(context.Background(), client.Config{URL: s.URL}); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// A server that takes 2 ms per message can process 500 per second.
func TestRateFindsTheLimit(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Receive: func(_ int, p []byte) [][]byte {
		time.Sleep(2 * time.Millisecond) // the behaviour under test
		return [][]byte{p}
	}}).Start(t)
	o := Rate{Clients: 4, Senders: 2, From: 20, Upto: 4000, Factor: 5, Narrow: 1, Bound: 1500 * time.Millisecond, Seconds: .8, Size: option.FixedSize(16), Grace: 10 * time.Second}
	r, err := o.Run(context.Background(), client.Config{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	if res := r.Rate; res.Held < 20 || res.Held > 520 || res.Broke > 2500 || res.Broke <= res.Held || !strings.Contains(res.Why, "p99") || len(res.Steps) < 3 {
		t.Errorf("%+v", res)
	}
	o.Upto, o.Seconds, o.Narrow, o.Bound = 40, .2, 0, 10*time.Second
	if r, err = o.Run(context.Background(), client.Config{URL: s.URL}); err != nil || r.Rate.Held != 40 || r.Rate.Broke != 0 || len(r.Rate.Steps) != 2 {
		t.Errorf("%v %+v", err, r.Rate)
	}
	if _, err := (Rate{Clients: 1, Senders: 1, From: 5, Upto: 1, Factor: 2, Bound: 1, Seconds: 1, Size: option.FixedSize(16)}).Run(context.Background(), client.Config{URL: s.URL}); err == nil {
		t.Error("falling rates: no error")
	}
}
