package proc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// cpuClock returns the id of the kernel's clock for the CPU time of process pid, including threads that have ended. The
// encoding is that of glibc's clock_getcpuclockid. /proc/PID/stat has the same time, but in steps of 10 ms.
func cpuClock(pid int) int32 { return int32(^uint32(pid)<<3 | 2) }

// threadClock is cpuClock for one thread of this process.
func threadClock(tid int) int32 { return int32(^uint32(tid)<<3 | 6) }

// readClock returns the time of a clock in nanoseconds; 0 if its process or thread does not exist any more.
func readClock(id int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

func OwnCPU() int64 {
	return readClock(cpuClock(os.Getpid()))
}

// MachineBusy returns the CPU time that all processes of the machine have used, in nanoseconds, in steps of 10 ms.
func MachineBusy() int64 {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	var ticks int64
	for i, v := range f {
		if i >= 1 && i <= 8 && i != 4 && i != 5 { // without idle and iowait; guest times are included in user
			n, _ := strconv.ParseInt(v, 10, 64)
			ticks += n
		}
	}
	return ticks * 1e7
}
