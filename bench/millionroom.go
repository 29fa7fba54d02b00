package bench

import (
	"encoding"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// What a client and a pair of processes take, in bytes, to refuse what does not fit: measured, and a tenth more.
const (
	bytesPerPair   = 40 << 20
	bytesPerClient = 11_500 // 9,500 of them the kernel's, for both ends
)

// Auto is a number that is worked out unless it is given: "auto" is zero.
type Auto int

var _ encoding.TextUnmarshaler = (*Auto)(nil)

// UnmarshalText reads auto or a number over zero.
func (a *Auto) UnmarshalText(b []byte) error {
	if string(b) == "auto" {
		*a = 0
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 {
		return badOption("%q is neither auto nor a number over zero", b)
	}
	*a = Auto(n)
	return nil
}

// String is what UnmarshalText reads.
func (a Auto) String() string {
	if a == 0 {
		return "auto"
	}
	return strconv.Itoa(int(a))
}

// MarshalText writes String.
func (a Auto) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// roomFor says in one sentence what is missing for so many clients, and how many would fit.
func roomFor(clients, pairs int) error {
	return fits(clients, pairs, room{memory: freeMemory(), files: limitIn("/proc/sys/fs/file-max", 0), watches: limitIn("/proc/sys/fs/epoll/max_user_watches", 0),
		processes: limitIn("/proc/sys/kernel/pid_max", 0)})
}

// room is what a machine has; zero is not known.
type room struct{ memory, files, watches, processes int64 }

func fits(clients, pairs int, has room) error {
	perPair := int64((clients + pairs - 1) / pairs)
	most := func(have, each, pair int64) int64 { return (have - pair) * perPair / (each*perPair + pair) } // less a pair that is not full
	for _, c := range []struct {
		what       string
		have       int64
		each, pair int64 // of a client, of a pair of processes
		unit       float64
		cure       string
	}{
		{"GB of memory", has.memory * 19 / 20, bytesPerClient, bytesPerPair, 1e9, "stop something"},
		{"open files (fs.file-max)", has.files, 2, 200, 1, "raise it with sysctl"},
		{"epoll watches (fs.epoll.max_user_watches)", has.watches, 2, 20, 1, "raise it with sysctl"},
		{"processes and threads (kernel.pid_max)", has.processes, 0, 64, 1, "raise it with sysctl"},
	} {
		need := int64(clients)*c.each + int64(pairs)*c.pair
		if c.have > 0 && need > c.have {
			return badOption("%d clients in %d pairs of processes need about %s %s, and there are %s: %s, or take --clients %d",
				clients, pairs, cell(float64(need)/c.unit), c.what, cell(float64(c.have)/c.unit), c.cure, max(1, most(c.have, c.each, c.pair)/1000*1000))
		}
	}
	return nil
}

// freeMemory is what programs can still get, in bytes: the machine's, or that of our control group.
func freeMemory() int64 {
	free := kernelNow().Free
	group, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(group)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for ; path != ""; path = path[:max(0, strings.LastIndexByte(path, '/'))] {
			dir := "/sys/fs/cgroup" + strings.TrimSuffix(path, "/")
			if limit := limitIn(dir+"/memory.max", 0); limit > 0 {
				free = min(free, limit-limitIn(dir+"/memory.current", 0))
			}
		}
	}
	return free
}

// limitIn reads a number from a file; other if there is none, as for "max".
func limitIn(file string, other int64) int64 {
	n, err := strconv.ParseInt(firstOf(file), 10, 64)
	if err != nil {
		return other
	}
	return n
}

// rows say what a client costs, in parts.
func (r *MillionResult) rows() [][]string {
	n := float64(max(r.Clients, 1))
	row := func(what string, total, empty int64) []string {
		return []string{what, cell(float64(empty) / 1e6), cell(float64(total) / 1e6), cell(float64(total-empty) / n)}
	}
	k := r.Kernel
	all := r.ServerFull - r.ServerEmpty + r.ClientFull - r.ClientEmpty + k.Sum()
	return [][]string{{fmt.Sprintf("memory of %d clients", r.Clients), "MB before", "MB with them", "bytes a client"},
		row(fmt.Sprintf("%d servers (PSS)", r.Servers), r.ServerFull, r.ServerEmpty),
		row(fmt.Sprintf("%d client processes (PSS)", r.Servers), r.ClientFull, r.ClientEmpty),
		row("kernel, both ends: slab", k.Slab, 0), row("kernel: bytes in sockets", k.Sockets, 0), row("kernel: page tables, stacks", k.Tables, 0),
		row("sum", all, 0), row("machine: memory no longer free", -k.Free, 0),
		row("servers after the broadcasts", r.ServerAfter, r.ServerEmpty)}
}

// tables are the rest: time, heartbeats, broadcasts, kernel objects.
func (r *MillionResult) tables() [][][]string {
	failed := 0
	for _, n := range r.Failures {
		failed += n
	}
	tables := [][][]string{{{"servers", "started in s", "clients", "connected in s", "connects/s", "failed", "closed by server"},
		{fmt.Sprint(r.Servers), cell(r.Started), fmt.Sprint(r.Clients), cell(r.Seconds), cell(r.PerSec), fmt.Sprint(failed), fmt.Sprint(r.Gone)}}}
	if r.Hold != nil {
		tables = append(tables, r.Hold.rows())
	}
	if r.Received > 0 {
		tables = append(tables, [][]string{{"a message in each lobby", "median client ms", "last client ms", "received", "lost"},
			{"one lobby after the other", r.Median.String(), r.Last.String(), fmt.Sprint(r.Received), fmt.Sprint(r.Lost)},
			{"all lobbies at once", "", cell(r.AllLast), "", ""}})
	}
	if rows := r.Kernel.cacheRows(r.Clients); rows != nil {
		tables = append(tables, rows)
	}
	return tables
}
