package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stamp"
	"webim/bench/ws"
)

// small is half a second with 200 messages to 20 clients.
var small = Flood{Clients: 20, Senders: 4, Rate: []float64{400}, Seconds: .5, Size: option.FixedSize(128), Grace: 10 * time.Second}

// one runs a flood of one step.
func one(t *testing.T, s *benchtest.ChatServer, o Flood) report.FloodResult {
	t.Helper()
	r, err := o.Run(context.Background(), client.Config{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Flood) != 1 {
		t.Fatalf("%d steps", len(r.Flood))
	}
	return r.Flood[0]
}

func TestFloodShowsDelay(t *testing.T) {
	t.Parallel()
	res := one(t, (&benchtest.ChatServer{Delay: 50 * time.Millisecond}).Start(t), small)
	if res.Lost != 0 || res.Delivered != 4000 || res.Duplicates+res.Reordered+res.Foreign != 0 {
		t.Errorf("%+v", res)
	}
	if res.Latency.P50 < 50 {
		t.Errorf("p50 is %v ms, the server waits 50", res.Latency.P50)
	}
	if res.CPU <= 0 {
		t.Errorf("no CPU of the server, which is this process")
	}
}

func TestFloodCountsLosses(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Receive: func(_ int, p []byte) [][]byte {
		if benchtest.SeqIn(p)%100 == 7 {
			return nil
		}
		return [][]byte{p}
	}}
	ctx, cfg := until(t, s.Start(t), client.Config{}, 200, 3960)
	r, err := small.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	res := r.Flood[0]
	if res.Expected != 4000 || res.Lost != 40 || res.Duplicates != 0 || res.Reordered != 0 {
		t.Errorf("1 %% is lost: %+v", res)
	}
}

func TestFloodCountsDuplicatesAndForeign(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Receive: func(_ int, p []byte) [][]byte {
		switch benchtest.SeqIn(p) % 40 {
		case 3:
			return [][]byte{p, p}
		case 5:
			return [][]byte{p, bytes.Repeat([]byte("x"), 128), []byte("short")}
		}
		return [][]byte{p}
	}}
	res := one(t, s.Start(t), small)
	// A duplicate after the last message may not be counted, because the run ends when all messages have arrived once.
	if res.Lost != 0 || res.Duplicates != 100 || res.Foreign != 200 || res.Reordered != 0 {
		t.Errorf("%+v", res)
	}
}

func TestFloodCountsReordering(t *testing.T) {
	t.Parallel()
	var held []byte // sender 1's message before the last of its own
	s := &benchtest.ChatServer{Receive: func(_ int, p []byte) [][]byte {
		switch benchtest.SeqIn(p) % 40 {
		case 1:
			held = p
			return nil
		case 5: // of the same sender: 4 senders take turns
			return [][]byte{p, held}
		}
		return [][]byte{p}
	}}
	res := one(t, s.Start(t), small)
	if res.Lost != 0 || res.Duplicates != 0 || res.Reordered != 100 {
		t.Errorf("5 pairs of messages change places: %+v", res)
	}
}

// A stall of the server delays all messages that are due during it. The histogram must show all of them, not only the
// first.
func TestFloodDoesNotOmit(t *testing.T) {
	t.Parallel()
	s := &benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		if n == 50 {
			time.Sleep(400 * time.Millisecond)
		}
		return [][]byte{p}
	}}
	res := one(t, s.Start(t), small)
	// Three of four messages are due during the stall or while the server catches up.
	if res.Lost != 0 || res.Latency.P90 < 250 || res.Latency.Max < 390 {
		t.Errorf("%+v", res.Latency)
	}
}

// Sizes with headers of 2, 4 and 10 bytes. The last is not for wholeFrames.
func TestFloodSizes(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Greet: ws.AppendFrame(nil, ws.Ping, []byte("hello"), nil)}).Start(t)
	for _, size := range []int{stamp.Size, 125, 126, 5000, 70000} {
		o := Flood{Clients: 5, Senders: 1, Rate: []float64{100}, Seconds: .1, Size: option.FixedSize(size), Grace: 10 * time.Second}
		if res := one(t, s, o); res.Lost != 0 || res.Delivered != 50 || res.Foreign != 0 {
			t.Errorf("size %d: %+v", size, res)
		}
	}
	if _, pongs := s.Counted(); pongs == 0 {
		t.Error("pings are not answered")
	}
}

func TestFloodSeveralRatesAndThreads(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).Start(t)
	o := small
	o.Rate, o.Seconds = []float64{100, 1000}, .3
	r, err := o.Run(context.Background(), client.Config{URL: s.URL, Receivers: 2, Progress: func(string, int, int) {}})
	if err != nil || len(r.Flood) != 2 {
		t.Fatalf("%v %+v", err, r)
	}
	for i, want := range []int64{600, 6000} {
		if r.Flood[i].Delivered != want || r.Flood[i].Lost != 0 {
			t.Errorf("step %d: %+v", i, r.Flood[i])
		}
	}
	var text, data bytes.Buffer
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "6000") || !strings.Contains(text.String(), "Linux") {
		t.Errorf("%v\n%s", err, &text)
	}
	var back report.Report
	if err := r.WriteJSON(&data); err != nil || json.Unmarshal(data.Bytes(), &back) != nil || back.Schema != report.Schema || len(back.Flood) != 2 {
		t.Errorf("%v\n%s", err, &data)
	}
}

func TestFloodInterrupted(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o := small
	o.Seconds = 60 // never reached
	r, err := o.Run(ctx, client.Config{URL: s.URL, Progress: func(what string, done, _ int) {
		if strings.HasPrefix(what, "flood") && done > 100 {
			cancel()
		}
	}})
	if err != nil || !r.Interrupted || len(r.Flood) != 1 || r.Flood[0].Delivered == 0 {
		t.Fatalf("%v %+v", err, r)
	}
}

func TestFloodRefuses(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Flood{
		"tiny":       {Clients: 1, Senders: 1, Rate: []float64{1}, Seconds: 1, Size: option.FixedSize(15)},
		"no sender":  {Clients: 1, Rate: []float64{1}, Seconds: 1, Size: option.FixedSize(16)},
		"no rate":    {Clients: 1, Senders: 1, Seconds: 1, Size: option.FixedSize(16)},
		"rate zero":  {Clients: 1, Senders: 1, Rate: []float64{0}, Seconds: 1, Size: option.FixedSize(16)},
		"no seconds": {Clients: 1, Senders: 1, Rate: []float64{1}, Size: option.FixedSize(16)},
	} {
		if _, err := o.Run(context.Background(), client.Config{URL: "ws://127.0.0.1:1/"}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := small.Run(context.Background(), client.Config{URL: "http://127.0.0.1/"}); err == nil {
		t.Error("http URL: no error")
	}
	s := (&benchtest.ChatServer{Refuse: func(int) int { return 503 }}).Start(t)
	if _, err := small.Run(context.Background(), client.Config{URL: s.URL}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("refused: %v", err)
	}
}
