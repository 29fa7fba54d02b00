package scenario

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
)

func TestFloodOfMixedSizesCompressedOrNot(t *testing.T) {
	t.Parallel()
	for _, deflate := range []bool{false, true} {
		var mu sync.Mutex
		lengths := map[int]int{}
		s := &benchtest.ChatServer{Deflate: deflate, Receive: func(_ int, p []byte) [][]byte {
			mu.Lock()
			lengths[len(p)]++
			mu.Unlock()
			return [][]byte{p}
		}}
		o := small
		o.Rate, o.Seconds = []float64{200}, .3 // the numbers up to 59 have all three sizes
		o.Size, _ = option.ParseSize("16:5,130:5,70000:1")
		r, err := o.Run(context.Background(), client.Config{URL: s.Start(t).URL, Compress: true})
		if err != nil {
			t.Fatal(err)
		}
		res := r.Flood[0]
		if res.Lost+res.Duplicates+res.Reordered+res.Foreign != 0 || res.Delivered != 1200 || len(lengths) != 3 || r.Conditions.Compressed != deflate {
			t.Errorf("deflate %v: %+v, lengths %v", deflate, res, lengths)
		}
		if declined := strings.Contains(strings.Join(r.Notes, ";"), "permessage-deflate"); declined == deflate {
			t.Errorf("deflate %v: %q", deflate, r.Notes)
		}
	}
}

func TestUpgradeTerms(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked http.Header
	s := &benchtest.ChatServer{Terms: "Sec-WebSocket-Protocol: b\r\n", Requests: func(r *http.Request) {
		mu.Lock()
		asked = r.Header
		mu.Unlock()
	}}
	o := Flood{Clients: 1, Senders: 1, Rate: []float64{10}, Seconds: .1, Size: option.FixedSize(16)}
	cfg := client.Config{URL: s.Start(t).URL, Origin: "https://example.org", Protocols: []string{"a", "b"}, Header: http.Header{"X-Mine": {"yes"}}}
	r, err := o.Run(context.Background(), cfg)
	if err != nil || r.Conditions.Subprotocol != "b" || r.Conditions.Terms() != ", subprotocol b, origin https://example.org" {
		t.Fatalf("%v %+v", err, r)
	}
	if asked.Get("Origin") != cfg.Origin || asked.Get("Sec-WebSocket-Protocol") != "a, b" || asked.Get("X-Mine") != "yes" || asked.Get("Sec-WebSocket-Extensions") != "" {
		t.Errorf("asked %v", asked)
	}
}
