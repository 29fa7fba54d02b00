package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ownFiles is the maximum number of files that a process of the lab needs besides one per client: pipes, epoll instances,
// /proc.
const ownFiles = 100

// MaxClients returns the number of clients that one process can have under its limit of open files.
func MaxClients() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur < 2*ownFiles {
		return ownFiles
	}
	return int(min(l.Cur, 1<<22)) - ownFiles
}

// FreeMemory returns the memory that programs can still get, in bytes: that of the machine or, if it is less, that of the
// control group of this process.
func FreeMemory() int64 {
	free := ReadKernel().Free
	group, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(group)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for ; path != ""; path = path[:max(0, strings.LastIndexByte(path, '/'))] {
			dir := "/sys/fs/cgroup" + strings.TrimSuffix(path, "/")
			if limit := ReadLimit(dir+"/memory.max", 0); limit > 0 {
				free = min(free, limit-ReadLimit(dir+"/memory.current", 0))
			}
		}
	}
	return free
}

// ReadLimit reads a number from a file. It returns other if there is no number, as in a file with the text "max".
func ReadLimit(file string, other int64) int64 {
	n, err := strconv.ParseInt(ReadText(file), 10, 64)
	if err != nil {
		return other
	}
	return n
}

// LimitMemory limits the data segment of a process, and of the processes that it starts from then on (RLIMIT_DATA: heap
// and private writable mappings). The kernel refuses more memory; most runtimes end in that case.
func LimitMemory(pid int, bytes uint64) error {
	l := unix.Rlimit{Cur: bytes, Max: bytes}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &l, nil); err != nil {
		return fmt.Errorf("limiting the memory of process %d to %d bytes: %w", pid, bytes, err)
	}
	return nil
}
