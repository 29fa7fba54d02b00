package stat

import (
	"time"

	"golang.org/x/sys/unix"
)

// clockBase is time.Now at the start of the program, and clockOffset is CLOCK_MONOTONIC at that time. Their sum can be
// compared between processes of one machine, and reading it needs no system call (ClockGettime of x/sys makes one, which
// takes three times as long).
var clockBase, clockOffset = anchor()

func anchor() (time.Time, int64) {
	var ts unix.Timespec
	base := time.Now()
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists on every Linux
	return base, ts.Nano()
}

// Now returns CLOCK_MONOTONIC in nanoseconds. Times of different processes of one machine can be compared.
func Now() int64 { return clockOffset + int64(time.Since(clockBase)) }

// SleepUntil blocks the thread until Now is t. Under load, Go's timers are up to a millisecond late, because they wait in
// the poller; clock_nanosleep is late by the kernel's timer slack only (50 µs).
func SleepUntil(t int64) {
	ts := unix.NsecToTimespec(t)
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}
