package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"webim/bench/benchtest"
	"webim/bench/cluster"
	"webim/bench/floor"
)

// TestMain runs the tests, or makes the test binary a floor server, a worker process, or a program with a version command
// like webim's.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("webim v0-test")
		os.Exit(0)
	}
	benchtest.Main(m, map[string]func(string) error{
		benchtest.FloorProgram: func(at string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			return floor.Serve(ctx, at, func(a netip.AddrPort) { fmt.Printf("listening on %s\n", a) })
		},
		benchtest.WorkerProgram: func(string) error { return cluster.ServeWorker(os.Stdin, os.Stdout) },
	})
}
