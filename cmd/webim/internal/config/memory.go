package config

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"webim/cmd/webim/internal/cgroup"
	"webim/cmd/webim/internal/setting"
	"webim/netpoll"
	"webim/room"
	"webim/room/flight"
	"webim/room/slowmode"
	"webim/room/work"
)

// Every kind of data that clients can make the server keep has a limit: a setting or a
// constant. bounds is the one table of the limits that hold for the whole server: check prints
// it, and serve warns if they add up to more than the available memory. If you add such a
// limit, add a row.

// The memory for one item of each kind, in bytes, rounded up.
const (
	programMemory  = 32 << 20  // without clients
	workerMemory   = 512 << 10 // buffers and a compressor
	connMemory     = 1 << 10   // record, session, address
	tlsMemory      = 20 << 10  // of a connection, after one full TLS record
	joinedMemory   = 64        // the member's entry in the room and the session's entry for the room
	roomMemory     = 1 << 10
	httpMemory     = 32 << 10 // a goroutine with two buffers and a request
	tlsShakeMemory = 48 << 10 // a goroutine, a key exchange and a certificate
	keyMemory      = 450      // a key on this node, and in an embedded store
	askMemory      = 64 << 10 // a typical hook request with its answer
	noticeMemory   = 1 << 10
	callMemory     = 16 << 10 // a goroutine and a typical request
	socketMemory   = 4 << 10  // in the kernel, for an idle connection
	maxNotices     = 10_000   // see hooks.Config.MaxNotices
)

// A bound is a row of the table.
type bound struct {
	name  string // the setting's key, or what is bound by a fixed number
	bytes int64
}

// bounds returns the memory that the settings allow the server to keep, by kind.
func (c *Config) bounds(nc netpoll.Config, rc room.Config) []bound {
	conns, limits := int64(nc.MaxConns), c.MemoryLimits().Effective()
	perConn := int64(connMemory)
	if len(c.TLSListen) > 0 {
		perConn += tlsMemory
	}
	rooms := int64(c.MaxRooms)
	if c.MaxRooms == setting.None {
		rooms = conns * int64(c.MaxRoomsPerConn)
	}
	all := []bound{
		{"the program, and its workers", programMemory + int64(nc.Workers+nc.Loops)*workerMemory},
		{"max_conns", conns * perConn},
		{"max_conns, in the kernel", conns * socketMemory},
		{"max_rooms_per_conn", conns * int64(c.MaxRoomsPerConn) * joinedMemory},
		{"max_rooms", rooms * roomMemory},
		{"max_http", int64(nc.MaxHTTP) * httpMemory},
		{"max_unfinished", nc.MaxUnfinished},
		{"max_queued", nc.MaxQueued},
		{"max_replies", rc.MaxReplies},
		{"history_total", limits.MaxTotal},
		{"memberships, marks, bans and mutes", limits.MaxState},
		{"max_keys", int64(limits.MaxKeys) * keyMemory},
		{"slow mode", slowmode.Memory},
		{"the flight recorder", flight.Memory},
	}
	if len(c.TLSListen) > 0 {
		all = append(all, bound{"max_tls_handshakes", int64(nc.MaxTLSHandshakes) * tlsShakeMemory})
	}
	if c.Hooked() {
		all = append(all, bound{"hook_concurrency", int64(c.hookPlaces()) * askMemory}, bound{"notices to --hook-disconnect", maxNotices * noticeMemory},
			bound{"max_calls", int64(work.MaxCallsHeld(c.MaxCalls)) * callMemory})
	}
	if c.Internal != "" {
		all = append(all, bound{"the internal listener", internalQueued + internalConns*(internalMessage+httpMemory+connMemory+socketMemory)})
	}
	return all
}

func total(all []bound) (sum int64) {
	for _, b := range all {
		sum += b.bytes
	}
	return sum
}

// A MemoryTable has the limits of what clients can make the server keep, and the available memory.
type MemoryTable struct {
	bounds []bound
	limit  int64  // memory of the container or of the machine, in bytes; 0 if unknown
	whose  string // the kind of limit: "the container's limit", "this machine's memory"
	set    string // the file that sets the container's limit; "" if there is none
	env    string // the value of GOMEMLIMIT
}

// findMemory makes the table and finds the available memory.
func (c *Config) findMemory() (m MemoryTable) {
	root := os.DirFS("/")
	m.bounds = c.bounds(netpoll.New(c.NetpollConfig(), nil).Config(), c.RoomConfig())
	m.env = os.Getenv("GOMEMLIMIT")
	if m.limit, m.set = cgroup.Limit(root); m.limit > 0 {
		m.whose = "the container's limit"
	} else if m.limit = cgroup.Machine(root); m.limit > 0 {
		m.whose = "this machine's memory"
	}
	return m
}

// goLimit returns the memory limit for the Go runtime, with which it collects garbage before
// the container's limit is reached; 0 means none. It leaves a tenth of the container's limit to
// the kernel, for sockets, and to memory that the runtime does not count.
func (m *MemoryTable) goLimit() int64 {
	if m.set == "" || m.env != "" {
		return 0
	}
	return m.limit / 10 * 9
}

// Apply sets the runtime's memory limit, and logs the sum of the limits.
func (m *MemoryTable) Apply(log *slog.Logger) {
	m.apply()
	log.Info("memory", "bounds", total(m.bounds), "available", m.limit, "set_by", m.set, "gomemlimit", debug.SetMemoryLimit(-1))
}

// Replace makes next the table after a reload, and applies it if its limits are others.
func (m *MemoryTable) Replace(next MemoryTable, log *slog.Logger) {
	same := slices.Equal(m.bounds, next.bounds) && m.limit == next.limit
	if *m = next; !same {
		m.Apply(log)
	}
}

// apply sets the runtime's memory limit.
func (m *MemoryTable) apply() {
	if n := m.goLimit(); n > 0 {
		debug.SetMemoryLimit(n)
	}
}

// warnings warns if the bounds add up to more than the available memory.
func (m *MemoryTable) warnings() []string {
	sum := total(m.bounds)
	if m.limit == 0 || sum <= m.limit {
		return nil
	}
	largest := slices.Clone(m.bounds)
	slices.SortStableFunc(largest, func(a, b bound) int { return int(b.bytes>>10 - a.bytes>>10) })
	var names []string // of settings, without what a name says more
	for _, b := range largest {
		key, _, _ := strings.Cut(b.name, ",")
		if len(names) < 3 && Lookup(key, (*setting.Setting).Key) != nil && !slices.Contains(names, key) {
			names = append(names, key)
		}
	}
	return []string{fmt.Sprintf("the memory that clients may make this server use adds up to %s, more than %s, which is %s: lower %s, or give the server more memory; webim check lists all bounds",
		setting.RoughSize(sum), m.whose, setting.RoughSize(m.limit), strings.Join(names, " or "))}
}

// write prints the table as comments.
func (m *MemoryTable) write(w io.Writer) {
	fmt.Fprintln(w, "# memory: the bounds and their sum")
	row := func(name, value string) { fmt.Fprintf(w, "#   %-36s %12s\n", name, value) }
	for _, b := range m.bounds {
		row(b.name, setting.RoughSize(b.bytes))
	}
	row("the sum", setting.RoughSize(total(m.bounds)))
	if m.limit > 0 {
		row(m.whose, setting.RoughSize(m.limit))
	} else {
		row("the container's limit", "not known")
	}
	if m.set != "" {
		fmt.Fprintf(w, "#   the container's limit is set by %s\n", m.set)
	}
	switch n := m.goLimit(); {
	case m.env != "":
		fmt.Fprintf(w, "#   GOMEMLIMIT is %s\n", m.env)
	case n > 0:
		fmt.Fprintf(w, "#   serve sets GOMEMLIMIT to %s, nine tenths of it\n", setting.RoughSize(n))
	}
}
