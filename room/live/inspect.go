package live

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"webim/netpoll"
	"webim/room"
	"webim/room/identity"
)

// The functions in this file find out what is shown. Each of them walks all rooms or all connections,
// about 50 ns for each connection and less for each room, and holds no lock of the hub during the walk.
// They are too slow for workers, and for more than about one call a second.

// largest returns the n rooms with the most members, the largest first, of those for which shown returns
// true; nil means all rooms.
func (f *Feed) largest(n int, shown func(name string) bool) []room.Size {
	most := topN[room.Size]{n: n, order: func(a, b room.Size) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), strings.Compare(a.Name, b.Name))
	}}
	for one := range f.cfg.Hub.Sizes() {
		if shown == nil || shown(one.Name) {
			most.add(one)
		}
	}
	return most.best
}

// seenClient is a connection as operators see it.
type seenClient struct {
	Client   string         // the client id
	User     string         // "": anonymous
	Dialect  string         // plain, json or protobuf
	Remote   netip.AddrPort // the port is 0 behind a listed proxy; zero for a Unix socket
	TLS      bool
	Opened   time.Time
	LastSend time.Time // when the socket last took bytes
	Queued   int       // bytes that the socket has refused
}

// seenRooms is a seenClient with the rooms that it is in.
type seenRooms struct {
	seenClient
	Rooms   []string // sorted; at most maxRoomsListed
	InRooms int      // the number of all its rooms
}

// maxRoomsListed is the maximum number of rooms in a seenRooms.
const maxRoomsListed = 50

// slowest returns the n connections with the most queued bytes, the slowest first. Connections without
// queued bytes are not among them.
func (f *Feed) slowest(n int) []seenClient {
	type lag struct {
		c      netpoll.Conn
		queued int
	}
	most := topN[lag]{n: n, order: func(a, b lag) int {
		return cmp.Or(cmp.Compare(b.queued, a.queued), cmp.Compare(a.c.ID(), b.c.ID()))
	}}
	for c := range f.shown.Conns() {
		if queued := c.Queued(); queued > 0 && f.owns(c) {
			most.add(lag{c, queued})
		}
	}
	all := make([]seenClient, 0, len(most.best))
	for _, one := range most.best {
		if seen, ok := f.client(one.c); ok {
			all = append(all, seen)
		}
	}
	return all
}

// search returns the connections of a user or an IP address, or the connection with a client id: at most n,
// those that opened first. all has the client ids of all of them.
func (f *Feed) search(q quest, n int) (found []seenRooms, all map[string]bool) {
	all = map[string]bool{}
	first := topN[seenRooms]{n: n, order: func(a, b seenRooms) int {
		return cmp.Or(a.Opened.Compare(b.Opened), strings.Compare(a.Client, b.Client))
	}}
	for c := range f.named(q) {
		if seen, ok := f.client(c); ok {
			first.add(f.withRooms(c, seen))
			all[seen.Client] = true
		}
	}
	return first.best, all
}

// named walks the connections of a user or an address, or the one with a client id.
func (f *Feed) named(q quest) iter.Seq[netpoll.Conn] {
	addr, err := netip.ParseAddr(q.IP)
	if err != nil {
		addr = netip.Addr{}
	}
	return func(yield func(netpoll.Conn) bool) {
		if id, plain := identity.PlainID(q.Client); plain {
			if c, ok := f.shown.Conn(id); ok && c.Tag() != 0 {
				yield(c)
			}
			return
		}
		for c := range f.shown.Conns() {
			is := false
			switch s := identity.SessionOf(c); {
			case q.User != "":
				is = identity.Of(c).User == q.User
			case q.Client != "":
				is = s != nil && s.ClientID() == q.Client
			case addr.IsValid():
				is = identity.AddressOf(c) == addr.Unmap()
			}
			if is && !yield(c) {
				return
			}
		}
	}
}

// owns reports whether a connection belongs to the hub. The server may have other connections.
func (f *Feed) owns(c netpoll.Conn) bool { return c.Tag() != 0 || identity.SessionOf(c) != nil }

// client returns a connection as operators see it; false if it has ended.
func (f *Feed) client(c netpoll.Conn) (seenClient, bool) {
	info, ok := c.Info()
	if !ok || !f.owns(c) {
		return seenClient{}, false
	}
	who := identity.AuthorOf(c, "")
	seen := seenClient{Client: who.Client, User: who.User, Dialect: "plain", Remote: info.Remote, TLS: info.TLS,
		Opened: info.Opened, LastSend: info.LastSend, Queued: info.Queued}
	if s := identity.SessionOf(c); s != nil {
		seen.Dialect = s.Encoding().String()
	}
	return seen, true
}

// withRooms adds the rooms of a connection.
func (f *Feed) withRooms(c netpoll.Conn, seen seenClient) seenRooms {
	var rooms []string
	if s := identity.SessionOf(c); s != nil {
		rooms = s.Rooms()
	} else if m, ok := f.cfg.Hub.Member(c); ok {
		rooms = []string{m.Room.Name()}
	}
	slices.Sort(rooms)
	return seenRooms{seen, rooms[:min(len(rooms), maxRoomsListed)], len(rooms)}
}

// topN keeps the n best of many values.
type topN[T any] struct {
	n     int
	order func(a, b T) int // negative: a is better
	best  []T              // the best first
}

func (k *topN[T]) add(one T) {
	if len(k.best) == k.n && (k.n == 0 || k.order(k.best[k.n-1], one) <= 0) {
		return
	}
	at, _ := slices.BinarySearchFunc(k.best, one, k.order)
	k.best = slices.Insert(k.best, at, one)
	k.best = k.best[:min(len(k.best), k.n)]
}
