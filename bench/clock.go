package bench

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

// now returns CLOCK_MONOTONIC in nanoseconds.
func now() int64 { return clockOffset + int64(time.Since(clockBase)) }

// sleepUntil blocks the thread until the monotonic clock shows t. Go's timers wait in the poller and wake up to a millisecond late under
// load; clock_nanosleep is late by the kernel's timer slack (50 µs) only.
func sleepUntil(t int64) {
	ts := unix.NsecToTimespec(t)
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil) == unix.EINTR {
	}
}

// cpuClock returns the kernel's clock id for the CPU time of process pid: nanoseconds, all threads, ended ones included. The
// encoding is glibc's clock_getcpuclockid; /proc/PID/stat has the same sum in steps of 10 ms.
func cpuClock(pid int) int32 { return int32(^uint32(pid)<<3 | 2) }

// threadClock is cpuClock for one thread of our own process.
func threadClock(tid int) int32 { return int32(^uint32(tid)<<3 | 6) }

// readClock returns the clock's time in nanoseconds; ok is false when its process or thread is gone.
func readClock(id int32) (ns int64, ok bool) {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0, false
	}
	return ts.Nano(), true
}
