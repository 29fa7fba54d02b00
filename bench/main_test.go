package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// floorVariable makes the test binary a floor server that listens on its value.
const floorVariable = "WEBIM_BENCH_TEST_FLOOR"

// workerVariable makes the test binary a worker process.
const workerVariable = "WEBIM_BENCH_TEST_WORKER"

// workerCommand is the command line of the test binary as that.
func workerCommand() []string { return []string{"/usr/bin/env", workerVariable + "=1", os.Args[0]} }

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "version" { // asked as webim is
		fmt.Println("webim v0-test")
		os.Exit(0)
	}
	if at := os.Getenv(floorVariable); at != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := ServeFloor(ctx, at, func(a netip.AddrPort) { fmt.Printf("listening on %s\n", a) })
		stop()
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(workerVariable) != "" {
		if err := ServeWorker(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// floorCommand is the command line of the test binary as a floor server.
func floorCommand(at string) []string {
	return []string{"/usr/bin/env", floorVariable + "=" + at, os.Args[0]}
}
