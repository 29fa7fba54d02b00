package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is the server's process and all below it, as they were when it was looked up: servers with worker processes count as one.
type process struct{ pids []int }

// processTree looks up root and its descendants. Root 0 gives an empty process, whose figures are all zero.
func processTree(root int) (process, error) {
	if root == 0 {
		return process{}, nil
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", root)); err != nil {
		return process{}, badOption("--pid %d: there is no such process", root)
	}
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // fails only for a bad pattern
	for _, name := range stats {
		if pid, parent, ok := parentOf(name); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	p := process{pids: []int{root}}
	for i := 0; i < len(p.pids); i++ {
		p.pids = append(p.pids, children[p.pids[i]]...)
	}
	return p, nil
}

// parentOf reads /proc/PID/stat: "PID (NAME) STATE PPID ...", where NAME may hold anything, parentheses too.
func parentOf(stat string) (pid, parent int, ok bool) {
	b, err := os.ReadFile(stat)
	if err != nil {
		return 0, 0, false // the process has ended meanwhile
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

// commandLine is the root's, with a space between arguments.
func (p process) commandLine() string {
	return strings.ReplaceAll(firstOf(fmt.Sprintf("/proc/%d/cmdline", p.pids[0])), "\x00", " ")
}

// known reports whether there is a process to measure.
func (p process) known() bool { return len(p.pids) > 0 }

// cpu returns the CPU time of the tree so far in nanoseconds. The kernel adds a running thread's time at its ticks and when it leaves
// the CPU: wait until the server rests before the final reading of something short.
func (p process) cpu() int64 {
	var sum int64
	for _, pid := range p.pids {
		ns, _ := readClock(cpuClock(pid))
		sum += ns
	}
	return sum
}

// pss returns the memory of the tree in bytes, pages shared with other processes counted in proportion.
func (p process) pss() int64 {
	var sum int64
	for _, pid := range p.pids {
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

// alive reports whether the tree's root still runs.
func (p process) alive() bool {
	if !p.known() {
		return true
	}
	_, ok := readClock(cpuClock(p.pids[0]))
	return ok
}

// listenerOf returns the process that listens on a local TCP port, 0 if it cannot be told: so a --pid is seldom needed. If several share the socket the
// one with the lowest number, commonly the parent.
func listenerOf(port uint16) int {
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

// machineBusy returns the CPU time that all processes of the machine have used, in nanoseconds (steps of 10 ms).
func machineBusy() int64 {
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
