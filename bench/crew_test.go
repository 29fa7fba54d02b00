package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// several is quick with three client processes.
func several(s *chatServer) Config {
	cfg := quick(s)
	cfg.Processes, cfg.Worker = 3, workerCommand()
	return cfg
}

// What three processes see together is what the server did: counts, losses, delays.
func TestCrewFlood(t *testing.T) {
	t.Parallel()
	s := (&chatServer{delay: 50 * time.Millisecond, receive: func(n int, p []byte) [][]byte {
		switch n % 100 {
		case 17:
			return nil
		case 23:
			return [][]byte{p, p}
		}
		return [][]byte{p}
	}}).start(t)
	r, err := Flood{Clients: 31, Senders: 7, Rate: []float64{400}, Seconds: 1, Size: FixedSize(128), Grace: 10 * time.Second}.Run(context.Background(), several(s))
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

func TestCrewFanout(t *testing.T) {
	t.Parallel()
	s := (&chatServer{delay: 20 * time.Millisecond}).start(t)
	r, err := Fanout{Clients: 20, Rounds: 4, Block: 2, Size: FixedSize(128)}.Run(context.Background(), several(s))
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Fanout; f.Rounds != 4 || f.Server.Lost+f.Floor.Lost != 0 || f.Server.Median.Min < 20 || f.Floor.Last.Min <= 0 {
		t.Errorf("%+v", f)
	}
}

// All clients come, each process from addresses of its own; the server's pings are seen, and who is refused is counted.
func TestCrewIdle(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	from := map[string]bool{}
	s := (&chatServer{pulse: 20 * time.Millisecond,
		requests: func(r *http.Request) {
			mu.Lock()
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			from[host] = true
			mu.Unlock()
		},
		refuse: func(n int) int {
			if n >= 45 {
				return 503
			}
			return 0
		}}).start(t)
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

func TestCrewOverTLS(t *testing.T) {
	t.Parallel()
	s := (&chatServer{}).startTLS(t)
	r, err := Idle{Clients: []int{6}}.Run(context.Background(), several(s))
	if err != nil || r.Idle.Steps[0].Clients != 6 {
		t.Errorf("%v %+v", err, r.Idle)
	}
}

// A worker that dies ends the flood, which says who and how, and nothing is left of the others.
func TestCrewLosesOne(t *testing.T) {
	t.Parallel()
	var flooding atomic.Bool
	s := (&chatServer{receive: func(n int, p []byte) [][]byte {
		flooding.Store(true)
		return [][]byte{p}
	}}).start(t)
	cfg := several(s)
	c, err := NewCrew(cfg, 30, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if failed, err := c.Dial(ctx, 0, 30); failed != 0 || err != nil || c.Open() != 30 {
		t.Fatalf("%d %v %d", failed, err, c.Open())
	}
	r := &Report{}
	ended := make(chan error)
	go func() {
		_, _, err := Flood{Clients: 30, Senders: 3, Seconds: 600, Size: FixedSize(128), Grace: time.Second}.step(ctx, c, process{}, 50, r)
		ended <- err
	}()
	for !flooding.Load() {
		time.Sleep(time.Millisecond) // polls
	}
	_ = syscall.Kill(c.mates[1].pid(), syscall.SIGKILL)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "took its 10 clients") {
		t.Errorf("%v", err)
	}
	if _, err := c.Dial(ctx, 0, 30); err == nil {
		t.Error("dialing with what is left: no error")
	}
}

// Ctrl-C while handshakes hang: Dial comes back, and Close leaves nothing.
func TestCrewInterrupted(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp4", "127.0.0.1:0") // accepts in the kernel, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := Config{URL: "ws://" + ln.Addr().String(), Timeout: time.Hour, Worker: workerCommand()}
	ctx, cancel := context.WithCancel(context.Background())
	var once sync.Once
	cfg.Progress = func(string, int, int) { once.Do(cancel) }
	c, err := NewCrew(cfg, 20, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Dial(ctx, 0, 20); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestCrewCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg     Config
		n, of   int
		expects string
	}{
		"no program":     {Config{URL: "ws://127.0.0.1:1/", Worker: []string{"/nonexistent"}}, 5, 2, "/nonexistent"},
		"not a worker":   {Config{URL: "ws://127.0.0.1:1/", Worker: []string{"sh", "-c", "echo what >&2; exit 7"}}, 5, 2, "exit status 7"},
		"its last words": {Config{URL: "ws://127.0.0.1:1/", Worker: []string{"sh", "-c", "echo what >&2; exit 7"}}, 5, 2, "it said: what"},
		"too few":        {Config{URL: "ws://127.0.0.1:1/"}, 1, 2, "one client at least"},
		"bad URL":        {Config{URL: "nonsense"}, 5, 2, "ws://"},
	} {
		if _, err := NewCrew(c.cfg, c.n, c.of); err == nil || !strings.Contains(err.Error(), c.expects) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A worker survives whatever comes first, and says what it did not understand.
func TestServeWorkerNonsense(t *testing.T) {
	t.Parallel()
	if err := ServeWorker(strings.NewReader("nonsense, and a lot of it"), io.Discard); err == nil {
		t.Error("nonsense: no error")
	}
	if err := ServeWorker(strings.NewReader(""), io.Discard); err != nil {
		t.Errorf("nothing: %v", err)
	}
	ours, theirs := io.Pipe()
	back, answers := io.Pipe()
	served := make(chan error)
	go func() {
		err := ServeWorker(ours, answers)
		answers.Close()
		served <- err
	}()
	c := newCaller(back, theirs)
	for _, o := range []order{{Do: doDial, To: 5}, {Do: doStat}, {Do: doFlood}, {Do: doEnlist}} {
		if _, err := c.call(o); err == nil {
			t.Errorf("order %d before the first: no error", o.Do)
		}
	}
	e := enlistment{Config: Config{URL: "ws://127.0.0.1:1/"}, Clients: 2}
	if _, err := c.call(order{Do: doEnlist, Enlist: &e}); err != nil {
		t.Error(err)
	}
	for _, o := range []order{{Do: doFire}, {Do: doAwait}, {Do: doSoFar}, {Do: doHalt}, {Do: doCollect}, {Do: doFlood}, {Do: doFlood, Flood: &floodOrder{Size: "128", Senders: 9, Send: true}},
		{Do: doArm, Size: "x"}, {Do: doEnlist, Enlist: &e}, {Do: doDial, From: 1, To: 7}, {Do: 99}} {
		if _, err := c.call(o); err == nil {
			t.Errorf("order %d: no error", o.Do)
		}
	}
	theirs.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
	<-c.ended
	if _, err := c.call(order{Do: doStat}); !errors.Is(err, errHome) {
		t.Errorf("after the end: %v", err)
	}
}

func TestHistOnThePipe(t *testing.T) {
	t.Parallel()
	var h, back Hist
	for i := range int64(5000) {
		h.Record(i * i * 1000)
	}
	back.unpack(h.pack())
	if !reflect.DeepEqual(h, back) {
		t.Error("another histogram came back")
	}
	back.unpack(&packedHist{Buckets: []uint16{65535, 1}, Counts: []uint64{1}})
	if back.total != h.total {
		t.Error("a bucket that does not exist was counted")
	}
}

// Each process has as many clients as the sum of all shares says, for every count.
func TestShares(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		for processes := 1; processes < 7; processes++ {
			sum := 0
			for k := range processes {
				sum += upTo(n, k, processes)
			}
			if sum != n {
				t.Fatalf("%d clients in %d processes: %d", n, processes, sum)
			}
		}
	}
}
