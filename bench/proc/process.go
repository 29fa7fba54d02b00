package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"webim/bench/option"
)

// Process is a process and its descendants at the time of the lookup; a server with worker processes counts as one. The
// zero value is an unknown process: all its figures are zero.
type Process struct{ PIDs []int }

// Tree returns the process root and its descendants. For root 0 it returns an unknown process.
func Tree(root int) (Process, error) {
	if root == 0 {
		return Process{}, nil
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", root)); err != nil {
		return Process{}, option.Bad("--pid %d: there is no such process", root)
	}
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // fails only for a bad pattern
	for _, name := range stats {
		if pid, parent, ok := parentOf(name); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	p := Process{PIDs: []int{root}}
	for i := 0; i < len(p.PIDs); i++ {
		p.PIDs = append(p.PIDs, children[p.PIDs[i]]...)
	}
	return p, nil
}

// parentOf reads /proc/PID/stat: "PID (NAME) STATE PPID ...". NAME may contain any characters, including parentheses.
func parentOf(stat string) (pid, parent int, ok bool) {
	b, err := os.ReadFile(stat)
	if err != nil {
		return 0, 0, false // the process has ended since it was listed
	}
	cut := bytes.LastIndexByte(b, ')')
	if cut < 0 {
		return 0, 0, false
	}
	f := strings.Fields(string(b[cut+1:]))
	if len(f) < 2 {
		return 0, 0, false
	}
	pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(stat)))
	parent, _ = strconv.Atoi(f[1])
	return pid, parent, true
}

// CommandLine returns the command line of the root, with a space between arguments.
func (p Process) CommandLine() string {
	return strings.ReplaceAll(ReadText(fmt.Sprintf("/proc/%d/cmdline", p.PIDs[0])), "\x00", " ")
}

// Known reports whether there is a process to measure.
func (p Process) Known() bool { return len(p.PIDs) > 0 }

// CPU returns the CPU time of the tree so far in nanoseconds. The kernel adds the time of a running thread at its ticks
// and when the thread leaves the CPU. To measure something short, wait until the server is idle before the last reading.
func (p Process) CPU() int64 {
	var sum int64
	for _, pid := range p.PIDs {
		sum += readClock(cpuClock(pid))
	}
	return sum
}

// PSS returns the proportional set size of the tree in bytes: pages shared with other processes count in proportion.
func (p Process) PSS() int64 {
	var sum int64
	for _, pid := range p.PIDs {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// ListenerOf returns the process that listens on a local TCP port, or 0 if it cannot find one, so that --pid is seldom
// needed. If several processes share the socket, it returns the one with the lowest number, which commonly is the parent.
func ListenerOf(port uint16) int {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, _ := os.ReadFile(table)
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 9 && f[3] == "0A" && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
				inodes["socket:["+f[9]+"]"] = true
			}
		}
	}
	best := 0
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && inodes[link] {
			pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
			if best == 0 || pid < best {
				best = pid
			}
		}
	}
	return best
}

// Alive reports whether the root still runs. A zombie is not alive; an unknown process is.
func (p Process) Alive() bool {
	if !p.Known() {
		return true
	}
	b := ReadText(fmt.Sprintf("/proc/%d/stat", p.PIDs[0]))
	_, state, ok := strings.Cut(b[max(0, strings.LastIndexByte(b, ')')):], ") ")
	return ok && state[0] != 'Z' && state[0] != 'X'
}

func ReadText(file string) string {
	b, _ := os.ReadFile(file)
	return strings.TrimSpace(strings.TrimRight(string(b), "\x00"))
}

// RSS returns the resident memory of the tree in bytes; pages that its processes share count for each of them.
func (p Process) RSS() (sum int64) {
	for _, pid := range p.PIDs {
		if f := strings.Fields(ReadText(fmt.Sprintf("/proc/%d/statm", pid))); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			sum += pages * int64(os.Getpagesize())
		}
	}
	return sum
}

// FDs returns the number of open files of the tree. Since Linux 6.2 it is the size of the folder; older kernels need a
// listing.
func (p Process) FDs() (sum int) {
	for _, pid := range p.PIDs {
		name := fmt.Sprintf("/proc/%d/fd", pid)
		if info, err := os.Stat(name); err == nil && info.Size() > 0 {
			sum += int(info.Size())
		} else if dir, err := os.Open(name); err == nil {
			names, _ := dir.Readdirnames(-1)
			dir.Close()
			sum += len(names)
		}
	}
	return sum
}
