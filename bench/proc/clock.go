package proc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

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

func OwnCPU() int64 {
	ns, _ := readClock(cpuClock(os.Getpid()))
	return ns
}

// MachineBusy returns the CPU time that all processes of the machine have used, in nanoseconds (steps of 10 ms).
func MachineBusy() int64 {
	b, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	var ticks int64
	for i, v := range f {
		if i >= 1 && i <= 8 && i != 4 && i != 5 { // without idle and iowait; guest times are in user already
			n, _ := strconv.ParseInt(v, 10, 64)
			ticks += n
		}
	}
	return ticks * 1e7
}
