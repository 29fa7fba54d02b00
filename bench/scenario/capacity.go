package scenario

import (
	"encoding"

	"webim/bench/option"
	"webim/bench/proc"
	"webim/bench/stat"
)

// The memory of a client and of a pair of processes, in bytes, as measured, and a tenth more. They serve to refuse numbers
// for which the machine is too small.
const (
	bytesPerPair   = 40 << 20
	bytesPerClient = 11_500 // the kernel uses 9,500 of them, for both ends
)

var _ encoding.TextUnmarshaler = (*option.Auto)(nil)

// checkCapacity returns an error if the machine is too small. The error names the missing resource and the number of
// clients for which there is enough.
func checkCapacity(clients, pairs int) error {
	return checkAgainst(clients, pairs, capacity{memory: proc.FreeMemory(), files: proc.ReadLimit("/proc/sys/fs/file-max", 0), watches: proc.ReadLimit("/proc/sys/fs/epoll/max_user_watches", 0),
		processes: proc.ReadLimit("/proc/sys/kernel/pid_max", 0)})
}

// capacity has the resources of a machine; zero means unknown.
type capacity struct{ memory, files, watches, processes int64 }

func checkAgainst(clients, pairs int, has capacity) error {
	perPair := int64((clients + pairs - 1) / pairs)
	most := func(have, each, pair int64) int64 { return (have - pair) * perPair / (each*perPair + pair) } // without a pair that is not full
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
			return option.Bad("%d clients in %d pairs of processes need about %s %s, and there are %s: %s, or give --clients %d",
				clients, pairs, stat.Cell(float64(need)/c.unit), c.what, stat.Cell(float64(c.have)/c.unit), c.cure, max(1, most(c.have, c.each, c.pair)/1000*1000))
		}
	}
	return nil
}
