package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// The service manager that started the program (systemd with Type=notify or
// notify-reload) names a socket in NOTIFY_SOCKET. It is told when the program
// serves, reloads and stops; and, if it set WATCHDOG_USEC, that the program is
// alive.

// notifyTimeout bounds how long a service manager that does not read holds the
// program up.
const notifyTimeout = time.Second

// notify tells the service manager a state, if there is a service manager.
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
	if err != nil && !p.notifyFailed.Swap(true) { // once: others would say the same
		p.log.Warn("the service manager cannot be told what webim does", "NOTIFY_SOCKET", os.Getenv("NOTIFY_SOCKET"), "err", err)
	}
}

// notifyReady says that the program serves, and starts the watchdog.
func (p *program) notifyReady() {
	p.notifyServing()
	every, err := daemon.SdWatchdogEnabled(false)
	switch {
	case err != nil:
		p.log.Warn("the service manager's watchdog is not fed", "err", err)
	case every > 0 && os.Getenv("NOTIFY_SOCKET") != "":
		p.feedWatchdog(every)
	}
}

// notifyServing says that the program serves, at its start and after a reload.
func (p *program) notifyServing() { p.notify(daemon.SdNotifyReady) }

// feedWatchdog tells the service manager that the program is alive, at least twice in
// each interval, for as long as timers fire and a worker runs a turn in time.
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

// notifyStopping says that the program stops, and how long that may take.
func (p *program) notifyStopping() {
	longest := p.cfg.ShutdownTimeout + stopReserve
	p.notify(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", daemon.SdNotifyStopping, longest.Microseconds()))
}

// stopReserve is for what comes behind the clients: the internal listener and the
// hooks.
const stopReserve = 5 * time.Second

// notifyReload says that a reload has begun; notifyServing ends it.
func (p *program) notifyReload() {
	p.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}
