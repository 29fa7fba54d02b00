package config

import (
	"runtime/debug"
	"strings"
	"testing"

	"webim/room/work"
)

// memoryOf returns the memory table for some flags.
func memoryOf(t *testing.T, flags string) MemoryTable {
	t.Helper()
	command, given := parseFlags(t, strings.Fields(flags)...)
	c, err := Load(&command.Settings, given, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return c.findMemory()
}

// Each global bound counts with its value.
func TestBoundsAddUp(t *testing.T) {
	const base = "--max-conns 1000 --listen 127.0.0.1:0"
	sum := total(memoryOf(t, base).bounds)
	for flags, more := range map[string]int64{
		"--max-queued 257MiB":                               1 << 20,
		"--max-unfinished 129MiB":                           1 << 20,
		"--history-total 65MiB":                             1 << 20,
		"--max-replies 65MiB":                               1 << 20,
		"--max-conns 1001":                                  connMemory + socketMemory + 128*joinedMemory,
		"--max-rooms-per-conn 129":                          1000 * joinedMemory,
		"--max-rooms 100001":                                roomMemory,
		"--max-http 1025":                                   httpMemory,
		"--hook-rpc http://127.0.0.1/":                      256*askMemory + maxNotices*noticeMemory + int64(work.MaxCallsHeld(0))*callMemory,
		"--hook-rpc http://127.0.0.1/ --max-calls 100":      256*askMemory + maxNotices*noticeMemory + int64(work.MaxCallsHeld(100))*callMemory,
		"--internal 127.0.0.1:0 --api-key 0123456789abcdef": internalQueued + internalConns*(internalMessage+httpMemory+connMemory+socketMemory),
		"--dev --tls-listen 127.0.0.1:0 --max-tls-handshakes 100 --no-personal --max-rooms 100000": 1000*tlsMemory + 100*tlsShakeMemory,
	} {
		if got := total(memoryOf(t, base+" "+flags).bounds) - sum; got != more {
			t.Errorf("%s: %d bytes more, want %d", flags, got, more)
		}
	}
}

func TestMemoryWarning(t *testing.T) {
	m := MemoryTable{bounds: []bound{{"max_conns", 100 << 20}, {"max_conns, in the kernel", 200 << 20}, {"slow mode", 150 << 20}, {"max_rooms", 90 << 20}, {"max_queued", 80 << 20}, {"max_http", 30 << 20}}, limit: 512 << 20, whose: "the container's limit", set: "/x"}
	want := "the memory that clients may make this server use adds up to 650.0 MiB, more than the container's limit, which is 512.0 MiB: lower max_conns or max_rooms or max_queued, or give the server more memory; webim check lists all bounds"
	if got := m.warnings(); len(got) != 1 || got[0] != want {
		t.Errorf("%q", got)
	}
	m.limit = 650 << 20
	if got := m.warnings(); got != nil {
		t.Errorf("all fits, and it says %q", got)
	}
	m.limit = 0
	if got := m.warnings(); got != nil {
		t.Errorf("nothing is known, and it says %q", got)
	}
}

// The runtime's limit is the container's less a tenth, unless the user has set one.
func TestMemoryLimit(t *testing.T) {
	old := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(old)
	for _, c := range []struct {
		m    MemoryTable
		want int64
	}{
		{MemoryTable{limit: 1000 << 20, set: "/sys/fs/cgroup/memory.max"}, 900 << 20},
		{MemoryTable{limit: 1000 << 20}, old}, // the machine's
		{MemoryTable{limit: 1000 << 20, set: "/x", env: "2GiB"}, old},
		{MemoryTable{limit: 1000 << 20, set: "/x", env: "off"}, old},
	} {
		debug.SetMemoryLimit(old)
		c.m.apply()
		if got := debug.SetMemoryLimit(-1); got != c.want {
			t.Errorf("%+v: %d, want %d", c.m, got, c.want)
		}
	}
}
