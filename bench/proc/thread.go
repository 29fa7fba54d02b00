package proc

import (
	"golang.org/x/sys/unix"
)

// ThreadCPU returns the CPU time of one thread of this process in nanoseconds; zero if the thread does not exist any more.
func ThreadCPU(tid int) int64 {
	return readClock(threadClock(tid))
}

// RaisePriority raises the priority of a thread until restore is called. Without the right to do so (CAP_SYS_NICE) it
// changes nothing.
func RaisePriority(tid int) (restore func()) {
	before, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
	if err != nil || unix.Setpriority(unix.PRIO_PROCESS, tid, -15) != nil {
		return func() {}
	}
	return func() { _ = unix.Setpriority(unix.PRIO_PROCESS, tid, 20-before) } // the system call counts from 1 to 40
}
