package stat

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockBase is time.Now at start, clockOffset what CLOCK_MONOTONIC said then: their sum is comparable between processes of
// one machine, and reading it stays in the vDSO (x/sys' ClockGettime is a real system call, three times the price).
var clockBase, clockOffset = anchor()

func anchor() (time.Time, int64) {
	var ts unix.Timespec
	base := time.Now()
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists on every Linux
	return base, ts.Nano()
}

// Now returns CLOCK_MONOTONIC in nanoseconds.
func Now() int64 { return clockOffset + int64(time.Since(clockBase)) }

// SleepUntil blocks the thread until the monotonic clock shows t. Go's timers wait in the poller and wake up to a millisecond late under
// load; clock_nanosleep is late by the kernel's timer slack (50 µs) only.
func SleepUntil(t int64) {
	ts := unix.NsecToTimespec(t)
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}
