package main

import (
	"os"
	"os/signal"
	"syscall"

	"webim/cmd/webim/internal/manager"
)

// guard waits until another process has ended, which serves in place of this one, and passes signals on to it. It returns the exit
// code. A supervisor knows only this process, and a container ends with it.
func guard(m *manager.Manager, pid int, first ...os.Signal) (code int) {
	m.Main(pid)
	m.Serving()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	p, err := os.FindProcess(pid)
	if err != nil {
		return exitFailed
	}
	ended := make(chan int, 1)
	go func() {
		state, err := p.Wait()
		if err != nil {
			ended <- exitFailed
			return
		}
		ended <- state.ExitCode()
	}()
	for _, sig := range first {
		_ = p.Signal(sig) // it fails only if the process has ended
	}
	for {
		select {
		case sig := <-signals:
			_ = p.Signal(sig)
		case code := <-ended:
			return code
		}
	}
}
