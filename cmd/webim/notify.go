package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// The service manager that starts the program (systemd with Type=notify or notify-reload) names
// its socket in NOTIFY_SOCKET. The program reports there when it serves, reloads and stops,
// and, if WATCHDOG_USEC is set, that it is alive.

// notifyTimeout limits how long a service manager that does not read its socket can delay the
// program.
const notifyTimeout = time.Second

// notify sends a state to the service manager, if there is one.
func (p *program) notify(state string) {
	if os.Getenv("NOTIFY_SOCKET") == "" {
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
	case <-time.After(notifyTimeout):
		err = fmt.Errorf("it does not read its socket")
	}
	if err != nil && !p.notifyFailed.Swap(true) { // once: later failures would say the same
		p.log.Warn("the service manager cannot be notified", "NOTIFY_SOCKET", os.Getenv("NOTIFY_SOCKET"), "err", err)
	}
}

// notifyReady reports that the program serves, and starts the watchdog.
func (p *program) notifyReady() {
	p.notifyServing()
	every, err := daemon.SdWatchdogEnabled(false)
	switch {
	case err != nil:
		p.log.Warn("the service manager's watchdog is not notified", "err", err)
	case every > 0 && os.Getenv("NOTIFY_SOCKET") != "":
		p.feedWatchdog(every)
	}
}

// notifyServing reports that the program serves, after its start and after a reload.
func (p *program) notifyServing() { p.notify(daemon.SdNotifyReady) }

// feedWatchdog reports that the program is alive, at least twice in each interval, as long as
// timers fire and a worker runs a turn in time.
func (p *program) feedWatchdog(every time.Duration) {
	var worked atomic.Bool
	turn := p.server.NewTurn(func() bool { worked.Store(true); return false })
	turn.Wake()
	p.server.Tick(every/4, func() {
		if worked.Swap(false) {
			p.notify(daemon.SdNotifyWatchdog)
			turn.Wake()
		}
	})
}

// notifyStopping reports that the program stops, and how long that may take.
func (p *program) notifyStopping() {
	longest := p.cfg.ShutdownTimeout + stopReserve
	p.notify(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, longest.Microseconds()))
}

// stopReserve is the time for the steps after the clients have left: closing the internal
// listener and the hooks.
const stopReserve = 5 * time.Second

// notifyReload reports that a reload has begun; notifyServing reports its end.
func (p *program) notifyReload() {
	p.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}
