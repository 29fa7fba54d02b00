package suite

import (
	"context"
	"fmt"
	"net/netip"
	"os/signal"
	"syscall"
	"testing"

	"webim/bench/benchtest"
	"webim/bench/floor"
)

func TestMain(m *testing.M) {
	benchtest.Main(m, map[string]func(string) error{
		benchtest.FloorProgram: func(at string) error {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			return floor.Serve(ctx, at, func(a netip.AddrPort) { fmt.Printf("listening on %s\n", a) })
		},
	})
}
