package wheel

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// timerfd is a timer of the kernel. Its descriptor is readable from the time that it is set to until
// it is set again, so it ends the wait of the loop that watches it. easygo waits without a timeout.
type timerfd struct{ fd int }

func newTimerfd() (*timerfd, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("netpoll: making a timer: %w", err)
	}
	return &timerfd{fd}, nil
}

// set makes the descriptor readable after d, and not before. A d that is not positive means now.
func (t *timerfd) set(d time.Duration) {
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(d)))} // 0 would turn it off
	if err := unix.TimerfdSettime(t.fd, 0, &at, nil); err != nil {
		panic("netpoll: setting a timer: " + err.Error()) // cannot happen with a timerfd
	}
}
