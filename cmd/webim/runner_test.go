package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"webim/cmd/webim/internal/upgrade"
)

// TestMute checks that an upgrade in place learns of a signal that has come just before it mutes the signals.
func TestMute(t *testing.T) {
	defer signal.Reset(syscall.SIGHUP, syscall.SIGUSR2)
	for range 8 { // the runner may choose what it receives first
		p := startProgram(t, "--open", "--listen", "127.0.0.1:0")
		p.signals = &signalled{ends: make(chan os.Signal, 1)}
		r, canceled := newRunner(p), false
		r.begin(&underway{}, func(ctx context.Context) (_ upgrade.Verdict, _ int, err error) {
			p.signals.ends <- syscall.SIGINT
			r.mute()
			canceled = ctx.Err() != nil
			return upgrade.Verdict{}, 0, errors.New("it is taken back")
		})
		if err := r.run(); err != nil {
			t.Fatal(err)
		}
		if !canceled {
			t.Error("the upgrade goes on")
		}
	}
}
