package told

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"webim/room/engine"
)

// Config are the settings of Members. Zero values mean the defaults.
type Config struct {
	// Tell tells the subscribers of a room on this node.
	Tell func(room string, n engine.Notice)
	// Go calls functions one after the other, in their order, on another goroutine. It must not block. Tell is
	// called only by it.
	Go       func(func())
	MaxBytes int64         // of all members that are remembered; 0: 32 MiB
	Keep     time.Duration // how long the members of a node that is gone are remembered; 0: 10 min
	Log      *slog.Logger  // nil: slog.Default()
}

// Members are the members on other nodes. All methods are safe for concurrent use.
type Members struct {
	cfg Config

	mu    sync.Mutex
	rooms map[string]*room
	gone  map[string]time.Time // nodes with absent members, and since when
	bytes int64
}

// room has the members of a room on other nodes.
type room struct {
	nodes   map[string]map[string]*member // by node and client
	bytes   int64
	tooBig  bool            // the room is left out
	shown   bool            // since then, whoever is not among the nodes' members is new
	asking  int             // questions for lists that have not ended
	touched map[string]bool // clients with notices since the questions began: the lists may be older
}

type member struct {
	who    engine.Author
	absent bool // its node is gone, or a comparison has not found it
}

// memberCost is the memory of a member besides its texts, in bytes.
const memberCost = 256

func (m *member) cost() int64 { return int64(memberCost + m.who.Size()) }

// New makes an empty Members.
func New(cfg Config) *Members {
	cfg.MaxBytes, cfg.Keep = cmp.Or(cfg.MaxBytes, 32<<20), cmp.Or(cfg.Keep, 10*time.Minute)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Members{cfg: cfg, rooms: map[string]*room{}, gone: map[string]time.Time{}}
}

// roomLocked returns a room, and makes it if there is none.
func (m *Members) roomLocked(name string) *room {
	r := m.rooms[name]
	if r == nil {
		r = &room{nodes: map[string]map[string]*member{}}
		m.rooms[name] = r
	}
	return r
}

// Notice notes a join or a leave that another node, or this one with node "", has told. It reports whether the room has
// to be told.
func (m *Members) Notice(node, name string, n engine.Notice) (news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.roomLocked(name)
	if node == "" || r.tooBig {
		return true
	}
	if r.asking > 0 {
		r.touched[n.Who.Client] = true
	}
	known := r.nodes[node][n.Who.Client]
	switch {
	case n.Left && known == nil:
		return true
	case n.Left:
		m.removeLocked(r, node, known)
		return !known.absent
	case known == nil:
		m.addLocked(name, r, node, n.Who)
		return true
	}
	news, known.absent = known.absent, false
	return news
}

// addLocked remembers a member that is present.
func (m *Members) addLocked(name string, r *room, node string, who engine.Author) {
	who.ConnInfo, who.ChanInfo = slices.Clone(who.ConnInfo), slices.Clone(who.ChanInfo)
	who.Client, who.User = strings.Clone(who.Client), strings.Clone(who.User)
	one := &member{who: who}
	if r.nodes[node] == nil {
		r.nodes[node] = map[string]*member{}
	}
	r.nodes[node][who.Client] = one
	r.bytes += one.cost()
	m.bytes += one.cost()
	for m.bytes > m.cfg.MaxBytes {
		m.leaveOutLocked()
	}
}

// leaveOutLocked leaves out the room that takes most.
func (m *Members) leaveOutLocked() {
	most := ""
	for name, r := range m.rooms {
		if most == "" || r.bytes > m.rooms[most].bytes {
			most = name
		}
	}
	m.cfg.Log.Warn("a room has too many members on other nodes: nobody is told when a node dies with some of them", "room", most, "bytes", m.rooms[most].bytes)
	m.bytes -= m.rooms[most].bytes
	*m.rooms[most] = room{tooBig: true}
}

func (m *Members) removeLocked(r *room, node string, one *member) {
	delete(r.nodes[node], one.who.Client)
	r.bytes -= one.cost()
	m.bytes -= one.cost()
}

// telling is a notice for a room.
type telling struct {
	room string
	n    engine.Notice
}

// tellLocked tells rooms soon, in the order in which this node has learnt it.
func (m *Members) tellLocked(all []telling) {
	if len(all) == 0 {
		return
	}
	m.cfg.Go(func() {
		for _, t := range all {
			m.cfg.Tell(t.room, t.n)
		}
	})
}

// Gone tells the leaves of the members on a node that has died or ended.
func (m *Members) Gone(node string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone[node] = time.Now()
	m.leaveLocked(node)
}

// leaveLocked tells the leaves of the members on a node.
func (m *Members) leaveLocked(node string) {
	var all []telling
	for name, r := range m.rooms {
		for _, one := range r.nodes[node] {
			if !one.absent {
				one.absent = true
				all = append(all, telling{name, engine.Notice{Left: true, Who: one.who}})
			}
		}
	}
	m.tellLocked(all)
}

// Heard notes that a node lives. It reports whether the node was gone, so that the rooms have to be compared.
func (m *Members) Heard(node string) (again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, again = m.gone[node]
	delete(m.gone, node)
	return again
}

// Forget forgets a room, which has no members on this node any more.
func (m *Members) Forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.rooms[name]; r != nil {
		m.bytes -= r.bytes
		delete(m.rooms, name)
	}
}

// Expire forgets the members of nodes that are gone for longer than Config.Keep.
func (m *Members) Expire(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for node, since := range m.gone {
		if now.Sub(since) <= m.cfg.Keep {
			continue
		}
		delete(m.gone, node)
		m.leaveLocked(node) // notices that were on their way may have come after Gone
		for _, r := range m.rooms {
			for _, one := range r.nodes[node] {
				m.removeLocked(r, node, one)
			}
			delete(r.nodes, node)
		}
	}
}
