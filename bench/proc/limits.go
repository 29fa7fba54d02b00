package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ownFiles is how many files a process of ours needs besides a client each, at most: pipes, epolls, /proc.
const ownFiles = 100

// MaxClients is how many clients one process can have, by the limit of open files.
func MaxClients() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil || l.Cur < 2*ownFiles {
		return ownFiles
	}
	return int(min(l.Cur, 1<<22)) - ownFiles
}

// FreeMemory is what programs can still get, in bytes: the machine's, or that of our control group.
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

// ReadLimit reads a number from a file; other if there is none, as for "max".
func ReadLimit(file string, other int64) int64 {
	n, err := strconv.ParseInt(ReadText(file), 10, 64)
	if err != nil {
		return other
	}
	return n
}

// LimitMemory bounds the data segment of a process and of those that it starts from then on (RLIMIT_DATA: heap and private writable mappings). The kernel
// refuses it more; most runtimes end then.
func LimitMemory(pid int, bytes uint64) error {
	l := unix.Rlimit{Cur: bytes, Max: bytes}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &l, nil); err != nil {
		return fmt.Errorf("limiting the memory of process %d to %d bytes: %w", pid, bytes, err)
	}
	return nil
}
