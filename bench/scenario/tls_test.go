package scenario

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/option"
)

// Delays, losses and duplicates of a server show over TLS as well, with permessage-deflate and with large messages.
func TestFloodOverTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		packed bool
		size   option.Size
	}{"plain": {false, option.FixedSize(128)}, "packed": {true, option.FixedSize(300)}, "many records": {false, option.FixedSize(40000)}} {
		s := (&benchtest.ChatServer{Deflate: c.packed, Delay: 50 * time.Millisecond, Receive: func(n int, p []byte) [][]byte {
			switch n {
			case 7:
				return nil
			case 9:
				return [][]byte{p, p}
			}
			return [][]byte{p}
		}}).StartTLS(t)
		cfg := quick(s)
		cfg.Compress = c.packed
		r, err := Flood{Clients: 12, Senders: 3, Rate: []float64{100}, Seconds: .5, Size: c.size, Grace: 10 * time.Second}.Run(context.Background(), cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f := r.Flood[0]
		if f.Sent != 50 || f.Lost != 12 || f.Duplicates != 12 || f.Reordered+f.Foreign != 0 || f.Latency.P50 < 50 || f.Gone != 0 || r.Conditions.Compressed != c.packed {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// The other scenarios use TLS, too.
func TestScenariosOverTLS(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Delay: 20 * time.Millisecond}).StartTLS(t)
	ctx, cfg := context.Background(), quick(s)
	r, err := Fanout{Clients: 10, Rounds: 2, Block: 1, Size: option.FixedSize(128)}.Run(ctx, cfg)
	if err != nil || r.Fanout.Server.Last.Min < 20 || r.Fanout.Server.Lost != 0 || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "without TLS") }) {
		t.Errorf("fanout: %v %+v", err, r)
	}
	r, err = Echo{Clients: 5, InFlight: 2, Seconds: .2, Size: option.FixedSize(128)}.Run(ctx, cfg)
	if err != nil || r.Echo.Lost != 0 || r.Echo.Answered == 0 || r.Echo.Latency.P50 < 20 {
		t.Errorf("echo: %v %+v", err, r)
	}
	r, err = Storm{Clients: 30, Rounds: 2, Stay: 3, Rate: 50, Size: option.FixedSize(128)}.Run(ctx, cfg)
	if err != nil || r.Storm.Rounds[1].Back != 30 || r.Storm.Rounds[1].Traffic.Lost != 0 {
		t.Errorf("storm: %v %+v", err, r)
	}
}
