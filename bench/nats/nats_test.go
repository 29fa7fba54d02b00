package nats

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/bench/benchtest"
)

// TestMain runs the tests, or makes the test binary a NATS server.
func TestMain(m *testing.M) {
	benchtest.Main(m, map[string]func(string) error{benchtest.NATSProgram: func(folder string) error {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		return Serve(ctx, Options{Listen: "127.0.0.1:0", Data: folder, MaxStore: 1 << 30}, func(a netip.AddrPort) { fmt.Printf("listening on %s\n", a) })
	}})
}

// connect connects to a server and reads its account of JetStream.
func connect(t *testing.T, url string) jetstream.JetStream {
	t.Helper()
	c, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	js, err := jetstream.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// A stream outlives kill -9 of its server.
func TestStoredMessagesOutliveTheProcess(t *testing.T) {
	t.Parallel()
	ctx, folder := t.Context(), t.TempDir()
	for i := range uint64(2) {
		s, err := Start(ctx, benchtest.Command(benchtest.NATSProgram, folder))
		if err != nil {
			t.Fatal(err)
		}
		js := connect(t, s.URL)
		if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
			t.Fatal(err)
		}
		ack, err := js.Publish(ctx, "s", []byte("text"))
		if err != nil || ack.Sequence != i+1 {
			t.Errorf("round %d: %+v %v", i, ack, err)
		}
		if err := syscall.Kill(-s.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-s.Done()
	}
}

// freeAddress returns an address that nothing listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Three servers with routes to each other keep three copies of a stream.
func TestClusterKeepsCopies(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var routes, addresses []string
	for range 3 {
		at := freeAddress(t)
		addresses, routes = append(addresses, at), append(routes, "nats://"+at)
	}
	urls, ended := make(chan string, 3), make(chan error, 3)
	for i, at := range addresses {
		o := Options{Listen: "127.0.0.1:0", Data: t.TempDir(), MaxStore: 1 << 30, Name: fmt.Sprint("n", i), Cluster: "c", ClusterListen: at, Routes: routes}
		go func() { ended <- Serve(ctx, o, func(a netip.AddrPort) { urls <- "nats://" + a.String() }) }()
	}
	defer func() {
		stop()
		for range 3 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}()
	js := connect(t, <-urls)
	within, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(within, 2*time.Second) // until there is a leader, nobody answers
		_, err := js.CreateStream(attempt, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Replicas: 3})
		done()
		if err == nil {
			break
		}
		if within.Err() != nil {
			t.Fatal(err)
		}
	}
	if _, err := js.Publish(within, "s", []byte("text")); err != nil {
		t.Error(err)
	}
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for says, o := range map[string]Options{
		`--listen "here"`:         {Listen: "here"},
		`--cluster-listen ""`:     {Listen: "127.0.0.1:0", Cluster: "c"},
		`--routes "127.0.0.1:99"`: {Listen: "127.0.0.1:0", Cluster: "c", ClusterListen: "127.0.0.1:1", Routes: []string{"127.0.0.1:99"}},
	} {
		if err := Serve(t.Context(), o, nil); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if _, err := Start(t.Context(), []string{os.Args[0] + "-missing"}); err == nil {
		t.Error("a program that does not exist was started")
	}
}
