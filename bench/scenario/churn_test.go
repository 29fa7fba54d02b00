package scenario

import (
	"context"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
)

// coming is a second with 100 messages and 50 transient clients.
var coming = Churn{Clients: 10, Senders: 2, Rate: 100, Comers: 50, Stay: 200 * time.Millisecond, Seconds: 1, Size: option.FixedSize(32), Grace: 10 * time.Second}

func TestChurn(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Delay: 50 * time.Millisecond, Refuse: func(n int) int {
		if n >= 10 && n%10 == 3 {
			return 503
		}
		return 0
	}}
	r, err := coming.Run(context.Background(), client.Config{URL: s.Start(t).URL})
	if err != nil {
		t.Fatal(err)
	}
	stay, come := r.Churn.Stayers, r.Churn.Transients
	if stay.Lost+stay.Duplicates+stay.Reordered+stay.Foreign != 0 || stay.Delivered != 1000 || stay.Latency.P50 < 50 || stay.Gone != 0 {
		t.Errorf("clients that stay: %+v", stay)
	}
	// A handshake that takes longer than --stay, on a busy machine, ends with a timeout.
	if come.Came < 20 || come.Refused < 3 || come.Failures["HTTP status 503"]+come.Failures[client.ErrTimeout.Error()] != come.Refused || come.CutOff != 0 || come.Goodbyes == 0 || come.Handshake.Max <= 0 {
		t.Errorf("transient clients: %+v", come)
	}
	if len(r.Samples) < 3 || r.Churn.Drift.RSS.First <= 0 {
		t.Errorf("%d samples, %+v", len(r.Samples), r.Churn.Drift)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "drift") || !strings.Contains(text.String(), "handshake") {
		t.Errorf("%v %s", err, &text)
	}
}

// Losses and a stall show in the figures of the clients that stay.
func TestChurnCountsLossesAndDoesNotOmit(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		if n == 30 {
			time.Sleep(400 * time.Millisecond) // the behaviour under test
		}
		if benchtest.SeqIn(p) == 99 {
			return nil
		}
		return [][]byte{p}
	}}
	ctx, cfg := until(t, s.Start(t), client.Config{}, 100, 990)
	r, err := coming.Run(ctx, cfg)
	if err != nil || r.Churn.Stayers.Lost != 10 || r.Churn.Stayers.Latency.Max < 390 || r.Churn.Stayers.Latency.P90 < 200 {
		t.Errorf("%v %+v", err, r.Churn)
	}
}

// A server that keeps memory and files shows a drift of both. The server is this process, so no other test may run
// meanwhile, and their garbage must not be released meanwhile.
func TestSoakFindsLeaks(t *testing.T) {
	debug.FreeOSMemory()
	var mu sync.Mutex
	var kept [][]byte
	var files []*os.File
	s := &benchtest.ChatServer{Receive: func(_ int, p []byte) [][]byte {
		mu.Lock()
		defer mu.Unlock()
		leak := make([]byte, 256<<10)
		for i := 0; i < len(leak); i += 4096 {
			leak[i] = 1
		}
		kept = append(kept, leak)
		if f, err := os.Open(os.DevNull); err == nil {
			files = append(files, f)
		}
		return [][]byte{p}
	}}
	t.Cleanup(func() {
		for _, f := range files {
			f.Close()
		}
	})
	o := Soak{For: 4 * time.Second, Segment: 800 * time.Millisecond, Clients: 6, Senders: 2, Rate: 100, Comers: 10, Stay: 100 * time.Millisecond, Idle: 4, Size: option.FixedSize(64), Grace: 10 * time.Second}
	r, err := o.Run(context.Background(), client.Config{URL: s.Start(t).URL})
	if err != nil {
		t.Fatal(err)
	}
	res := r.Soak
	if len(res.Segments) < 2 || res.Lost+res.Duplicates+res.Reordered != 0 || res.Delivered < 1000 || res.Gone+res.IdleGone != 0 || res.Transients.Came == 0 {
		t.Errorf("%+v", res)
	}
	if d := res.Drift; d.FDs.Last-d.FDs.First < 30 || d.RSS.Last-d.RSS.First < 5e6 {
		t.Errorf("%+v", d)
	}
}

func TestSoakRefusesAndIsInterrupted(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).Start(t)
	o := Soak{For: time.Hour, Segment: time.Minute, Clients: 2, Senders: 1, Rate: 100, Comers: 20, Stay: 50 * time.Millisecond, Size: option.FixedSize(16)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r, err := o.Run(ctx, client.Config{URL: s.URL, Progress: func(what string, done, _ int) {
		if strings.HasPrefix(what, "soak") && done > 0 {
			cancel()
		}
	}})
	if err != nil || !r.Interrupted || len(r.Soak.Segments) != 1 || r.Soak.Delivered == 0 {
		t.Errorf("%v %+v", err, r)
	}
	for _, change := range []func(*Soak){func(o *Soak) { o.For = 0 }, func(o *Soak) { o.Comers = 0 }, func(o *Soak) { o.Rate = 0 }, func(o *Soak) { o.Idle = -1 }} {
		bad := o
		change(&bad)
		if _, err := bad.Run(context.Background(), client.Config{URL: s.URL}); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}
