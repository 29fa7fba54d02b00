package flight

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"webim/netpoll"
	"webim/room"
	"webim/room/budget"
	"webim/room/identity"
)

// The numbers of records that a Recorder keeps.
const (
	maxOpened = 2048
	maxNever  = 512
)

// maxRooms is the number of names of rooms in a record.
const maxRooms = 8

// Memory is the maximum size of all records, in bytes: names have a few hundred bytes each.
const Memory = (maxOpened + maxNever) * 4 << 10

// A Recorder keeps the ends of connections. Its methods are safe for concurrent use.
type Recorder struct {
	mu     sync.Mutex
	opened *budget.Queue[*end]
	never  *budget.Queue[*end]
	trace  tracing
}

// end is the end of a connection, as it is kept.
type end struct {
	user, client, dialect string // client and dialect are "" if it was never open
	rooms                 []string
	inRooms               int
	info                  netpoll.Info
	flight                netpoll.Flight
	why                   netpoll.Closed
	at                    time.Time
}

// New returns a Recorder without records.
func New() *Recorder {
	return &Recorder{opened: budget.NewQueue[*end](maxOpened), never: budget.NewQueue[*end](maxNever)}
}

// Closed records the end of a connection. It is called in netpoll.Handler.Close, before the dialects.
func (r *Recorder) Closed(h *room.Hub, c netpoll.Conn, why netpoll.Closed) {
	r.trace.ended(c, why)
	e := endOf(c, why)
	e.dialect = "plain"
	var rooms []string
	if s := identity.SessionOf(c); s != nil {
		e.client, e.dialect, rooms = s.ClientID(), s.Encoding().String(), s.Rooms()
	} else if m, ok := h.Member(c); ok {
		rooms = []string{m.Room.Name()}
	}
	e.rooms, e.inRooms = slices.Clone(rooms[:min(len(rooms), maxRooms)]), len(rooms)
	r.keep(r.opened, e)
}

// NeverOpened records the end of a connection that was never open: see netpoll.Config.NeverOpened. It has a user if the handshake
// had a token whose signature is good.
func (r *Recorder) NeverOpened(c netpoll.Conn, why netpoll.Closed) {
	e := endOf(c, why)
	r.trace.refused(e)
	r.keep(r.never, e)
}

func endOf(c netpoll.Conn, why netpoll.Closed) *end {
	e := &end{user: identity.Of(c).User, why: why, at: time.Now()}
	e.info, _ = c.Info()
	e.flight, _ = c.Flight()
	return e
}

// keep adds a record to a queue, and removes another one if there are too many.
func (r *Recorder) keep(q *budget.Queue[*end], e *end) {
	owner := budget.Addr(e.info.Remote.Addr())
	if e.user != "" {
		owner = budget.User(e.user)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	q.Push(owner, e)
	if over := q.Overflow(); over != nil {
		q.Remove(over)
	}
}

// Find returns the records of a user, of an IP address, or of the connection with a client id, the latest
// first; at most n.
func (r *Recorder) Find(who string, n int) (found []Record) {
	addr, err := netip.ParseAddr(who)
	if err != nil {
		addr = netip.Addr{}
	}
	var all []*end
	r.mu.Lock()
	for _, q := range []*budget.Queue[*end]{r.opened, r.never} {
		for item := range q.All() {
			if item.Value.is(who, addr.Unmap()) {
				all = append(all, item.Value)
			}
		}
	}
	r.mu.Unlock()
	slices.SortStableFunc(all, func(a, b *end) int { return b.at.Compare(a.at) })
	for _, e := range all[:min(len(all), n)] {
		found = append(found, e.record())
	}
	return found
}

// is reports whether the record is about a user, a client id, or an address.
func (e *end) is(who string, addr netip.Addr) bool {
	if addr.IsValid() && e.info.Remote.Addr().Unmap() == addr {
		return true
	}
	return who != "" && (e.user == who || e.clientID() == strings.ToLower(who))
}

// clientID returns the client id of the connection.
func (e *end) clientID() string {
	if e.client == "" && e.dialect != "" {
		return identity.PlainClientID(e.info.ID)
	}
	return e.client
}
