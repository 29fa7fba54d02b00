package manager

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"webim/netpoll"
)

// timeout limits how long a service manager that does not read its socket can delay the
// program.
const timeout = time.Second

// A Manager is the service manager that started the process; perhaps there is none. Its methods may be called from any
// goroutine.
type Manager struct {
	log    *slog.Logger
	failed atomic.Bool // a failed notification has been logged
}

// New returns the service manager. It logs to log if that cannot be notified.
func New(log *slog.Logger) *Manager { return &Manager{log: log} }

// There reports whether there is a service manager.
func (m *Manager) There() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// notify sends a state to the service manager, if there is one.
func (m *Manager) notify(state string) {
	if !m.There() {
		return
	}
	sent := make(chan error, 1)
	go func() {
		_, err := daemon.SdNotify(false, state)
		sent <- err
	}()
	var err error
	select {
	case err = <-sent:
	case <-time.After(timeout):
		err = fmt.Errorf("it does not read its socket")
	}
	if err != nil && !m.failed.Swap(true) { // once: later failures would say the same
		m.log.Warn("the service manager cannot be notified", "NOTIFY_SOCKET", os.Getenv("NOTIFY_SOCKET"), "err", err)
	}
}

// Ready reports that the program serves, and calls Watch.
func (m *Manager) Ready(s *netpoll.Server) {
	m.Serving()
	m.Watch(s)
}

// Watch feeds the watchdog of the service manager, if there is one, while s works, until s has ended.
func (m *Manager) Watch(s *netpoll.Server) {
	every, err := daemon.SdWatchdogEnabled(false)
	switch {
	case err != nil:
		m.log.Warn("the service manager's watchdog is not notified", "err", err)
	case every > 0 && m.There():
		m.feedWatchdog(s, every)
	}
}

// Serving reports that the program serves, after its start and after a reload.
func (m *Manager) Serving() { m.notify(daemon.SdNotifyReady) }

// feedWatchdog reports that the program is alive, at least twice in each interval, as long as
// timers fire and a worker runs a turn in time.
func (m *Manager) feedWatchdog(s *netpoll.Server, every time.Duration) {
	var worked atomic.Bool
	turn := s.NewTurn(func() bool { worked.Store(true); return false })
	turn.Wake()
	s.Tick(every/4, func() {
		if worked.Swap(false) {
			m.notify(daemon.SdNotifyWatchdog)
			turn.Wake()
		}
	})
}

// Stopping reports that the program stops, and how long that may take.
func (m *Manager) Stopping(longest time.Duration) {
	m.notify(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, longest.Microseconds()))
}

// Main reports that another process is the program from now on, which the service manager watches instead of this one.
// It needs NotifyAccess=all if that process notifies it, too.
func (m *Manager) Main(pid int) { m.notify(fmt.Sprintf("MAINPID=%d", pid)) }

// Reloading reports that a reload has begun; Serving reports its end.
func (m *Manager) Reloading() {
	m.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}
