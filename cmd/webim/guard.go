package main

import (
	"os"
	"syscall"
	"time"

	"webim/cmd/webim/internal/children"
	"webim/cmd/webim/internal/manager"
	"webim/cmd/webim/internal/upgrade"
)

// orphanTime is the time between two looks for the end of the process that waits for this one.
const orphanTime = time.Second

// orphanLooks returns the channel of the looks; nil if nobody waits for this process, or a service manager knows of it.
func orphanLooks(m *manager.Manager) <-chan time.Time {
	if !upgrade.Guarded() || m.There() {
		return nil
	}
	return time.NewTicker(orphanTime).C
}

// guard waits until another process has ended, which serves in place of this one, and passes signals on to it. It returns the exit
// code. A supervisor knows only this process, and a container ends with it.
func guard(m *manager.Manager, s *signalled, standIn *children.Child) (code int) {
	m.Main(standIn.PID)
	m.Serving()
	standIn.Signal(syscall.SIGHUP) // it has read its files before, and this process may have lost a SIGHUP since
	orphaned := orphanLooks(m)
	for {
		var sig os.Signal
		select {
		case <-orphaned:
			if !upgrade.Orphaned() {
				continue
			}
			orphaned, sig = nil, syscall.SIGTERM
		case sig = <-s.ends:
		case sig = <-s.hangups:
		case sig = <-s.upgrades:
		case <-standIn.Ended():
			return standIn.Wait()
		}
		standIn.Signal(sig.(syscall.Signal))
	}
}
