package scenario

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/report"
)

// several is quick with three client processes.
func several(s *benchtest.ChatServer) client.Config {
	cfg := quick(s)
	cfg.Processes, cfg.Worker = 3, benchtest.WorkerCommand()
	return cfg
}

// The counts, losses and delays of three processes together are those of the server.
func TestClusterFlood(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Delay: 50 * time.Millisecond, Receive: func(n int, p []byte) [][]byte {
		switch n % 100 {
		case 17:
			return nil
		case 23:
			return [][]byte{p, p}
		}
		return [][]byte{p}
	}}).Start(t)
	r, err := Flood{Clients: 31, Senders: 7, Rate: []float64{400}, Seconds: 1, Size: option.FixedSize(128), Grace: 10 * time.Second}.Run(context.Background(), several(s))
	if err != nil {
		t.Fatal(err)
	}
	f := r.Flood[0]
	if f.Sent != 400 || f.Expected != 400*31 || f.Lost != 4*31 || f.Duplicates != 4*31 || f.Reordered+f.Foreign != 0 || f.Latency.P50 < 50 || f.Gone != 0 || len(f.Latency.Curve) == 0 {
		t.Errorf("%+v", f)
	}
	if f.Usage.Client <= 0 || len(r.Samples) == 0 {
		t.Errorf("usage %+v, %d samples", f.Usage, len(r.Samples))
	}
}

func TestClusterFanout(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{Delay: 20 * time.Millisecond}).Start(t)
	r, err := Fanout{Clients: 20, Rounds: 4, Block: 2, Size: option.FixedSize(128)}.Run(context.Background(), several(s))
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Fanout; f.Rounds != 4 || f.Server.Lost+f.Floor.Lost != 0 || f.Server.Median.Min < 20 || f.Floor.Last.Min <= 0 {
		t.Errorf("%+v", f)
	}
}

// All clients connect, each process from addresses of its own. Pings and refused clients are counted.
func TestClusterIdle(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	from := map[string]bool{}
	s := (&benchtest.ChatServer{Pulse: 20 * time.Millisecond,
		Requests: func(r *http.Request) {
			mu.Lock()
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			from[host] = true
			mu.Unlock()
		},
		Refuse: func(n int) int {
			if n >= 45 {
				return 503
			}
			return 0
		}}).Start(t)
	r, err := Idle{Clients: []int{10, 50}, Hold: 300 * time.Millisecond}.Run(context.Background(), several(s))
	if err == nil || r == nil || !strings.Contains(err.Error(), "5 × HTTP status 503") {
		t.Fatal(err)
	}
	i := r.Idle
	if len(i.Steps) != 2 || i.Steps[0].Clients != 10 || i.Steps[1].Clients != 45 || i.Failures["HTTP status 503"] != 5 || i.Gone != 0 || i.Steps[1].PSS <= 0 {
		t.Errorf("%+v", i)
	}
	if h := i.Hold; h == nil || h.Clients != 45 || h.Pings < 45 || h.PingEvery < .02 || h.Client <= 0 || h.Seconds < .3 {
		t.Errorf("%+v", h)
	}
	if len(from) < 40 { // one process has 16, and two of 45 clients may share one
		t.Errorf("connections from %d addresses", len(from))
	}
}

func TestClusterOverTLS(t *testing.T) {
	t.Parallel()
	s := (&benchtest.ChatServer{}).StartTLS(t)
	r, err := Idle{Clients: []int{6}}.Run(context.Background(), several(s))
	if err != nil || r.Idle.Steps[0].Clients != 6 {
		t.Errorf("%v %+v", err, r.Idle)
	}
}

// If a worker dies, the flood ends with an error that names it, and no other process remains.
func TestClusterLosesOne(t *testing.T) {
	t.Parallel()
	var flooding atomic.Bool
	s := (&benchtest.ChatServer{Receive: func(n int, p []byte) [][]byte {
		flooding.Store(true)
		return [][]byte{p}
	}}).Start(t)
	cfg := several(s)
	c, err := cluster.New(cfg, 30, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if failed, err := c.Dial(ctx, 0, 30); failed != 0 || err != nil || c.Open() != 30 {
		t.Fatalf("%d %v %d", failed, err, c.Open())
	}
	r := &report.Report{}
	ended := make(chan error)
	go func() {
		_, _, err := Flood{Clients: 30, Senders: 3, Seconds: 600, Size: option.FixedSize(128), Grace: time.Second}.step(ctx, c, proc.Process{}, 50, r)
		ended <- err
	}()
	for !flooding.Load() {
		time.Sleep(time.Millisecond) // polls
	}
	_ = syscall.Kill(c.Workers[1].PID(), syscall.SIGKILL)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "its 10 clients are lost") {
		t.Errorf("%v", err)
	}
	if _, err := c.Dial(ctx, 0, 30); err == nil {
		t.Error("dialing with what is left: no error")
	}
}
