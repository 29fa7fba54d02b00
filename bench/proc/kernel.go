package proc

import (
	"cmp"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Kernel is the memory of the kernel for the whole machine, in bytes. It includes both ends of a loopback connection.
type Kernel struct {
	Slab    int64       `json:"slab_bytes"`       // objects: sockets, files, epoll entries, inodes
	Sockets int64       `json:"socket_bytes"`     // pages of bytes in TCP sockets, most of them outside the slab
	Tables  int64       `json:"tables_bytes"`     // page tables and kernel stacks of processes
	Free    int64       `json:"free_bytes"`       // memory that programs can still get (MemAvailable)
	Caches  []SlabCache `json:"caches,omitempty"` // the largest caches; empty if /proc/slabinfo may not be read, which needs root
}

// SlabCache is one kind of kernel object.
type SlabCache struct {
	Name    string `json:"name"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
}

// Sum returns the memory in use.
func (k Kernel) Sum() int64 { return k.Slab + k.Sockets + k.Tables }

// ReadKernel reads the figures from /proc. A figure that cannot be read is zero.
func ReadKernel() (k Kernel) {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kb, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "Slab:":
			k.Slab = kb << 10
		case "PageTables:", "KernelStack:":
			k.Tables += kb << 10
		case "MemAvailable:":
			k.Free = kb << 10
		}
	}
	b, _ = os.ReadFile("/proc/net/sockstat")
	for line := range strings.Lines(string(b)) { // for example: TCP: inuse 1 orphan 0 tw 0 alloc 1 mem 136
		if f := strings.Fields(line); len(f) > 2 && f[0] == "TCP:" && f[len(f)-2] == "mem" {
			pages, _ := strconv.ParseInt(f[len(f)-1], 10, 64)
			k.Sockets = pages * int64(os.Getpagesize())
		}
	}
	k.Caches = slabCaches()
	return k
}

// slabCaches reads /proc/slabinfo: name, active objects, objects, bytes of one, ...
func slabCaches() (all []SlabCache) {
	b, _ := os.ReadFile("/proc/slabinfo")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] == "#" || f[0] == "slabinfo" {
			continue
		}
		n, _ := strconv.ParseInt(f[2], 10, 64)
		size, _ := strconv.ParseInt(f[3], 10, 64)
		all = append(all, SlabCache{f[0], n, n * size})
	}
	return all
}

// Since returns the difference to an earlier state, with the caches that grew most.
func (k Kernel) Since(before Kernel) Kernel {
	const most = 12
	d := Kernel{Slab: k.Slab - before.Slab, Sockets: k.Sockets - before.Sockets, Tables: k.Tables - before.Tables, Free: k.Free - before.Free}
	was := map[string]SlabCache{}
	for _, c := range before.Caches {
		was[c.Name] = c
	}
	for _, c := range k.Caches {
		if c.Bytes -= was[c.Name].Bytes; c.Bytes > 1<<20 {
			c.Objects -= was[c.Name].Objects
			d.Caches = append(d.Caches, c)
		}
	}
	slices.SortFunc(d.Caches, func(a, b SlabCache) int { return cmp.Compare(b.Bytes, a.Bytes) })
	d.Caches = d.Caches[:min(most, len(d.Caches))]
	return d
}
