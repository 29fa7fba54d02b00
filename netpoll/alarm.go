package netpoll

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a timerfd: it ends the wait of the loop that watches it, from the
// moment it is set to until it is set anew. easygo waits without a timeout.
type alarm struct{ fd int }

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("netpoll: making a timer: %w", err)
	}
	return &alarm{fd}, nil
}

// set has it ring after d, and not before; the past is now.
func (a *alarm) set(d time.Duration) {
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(d)))} // 0 would turn it off
	if err := unix.TimerfdSettime(a.fd, 0, &at, nil); err != nil {
		panic("netpoll: setting a timer: " + err.Error()) // never, of a timerfd
	}
}
