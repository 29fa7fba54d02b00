package room

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"webim/netpoll"
)

// The functions in this file show operators this node. Each of them walks all rooms or all connections,
// about 50 ns for each connection and less for each room, and holds no lock of the hub during the walk.
// They are too slow for workers, and for more than about one call a second.

// RoomSize is the size of a room on this node.
type RoomSize struct {
	Name    string
	Members int
	Unswept int64 // bytes published that the slowest shard has not taken
}

// Largest returns the n rooms with the most members, the largest first, of those for which shown returns
// true; nil means all rooms.
func (h *Hub) Largest(n int, shown func(room string) bool) []RoomSize {
	most := topN[RoomSize]{n: n, order: func(a, b RoomSize) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), strings.Compare(a.Name, b.Name))
	}}
	for r := range h.eachRoom() {
		if shown != nil && !shown(r.name) {
			continue
		}
		r.mu.Lock()
		size := RoomSize{r.name, int(r.members), int64(r.unsweptLocked())}
		r.mu.Unlock()
		most.add(size)
	}
	return most.best
}

// roomsAtOnce is how many rooms are listed under Hub.mu at a time, which takes about 10 µs.
const roomsAtOnce = 1024

// eachRoom walks the rooms, with no lock held. The walk may or may not include a room that begins or
// ends meanwhile.
func (h *Hub) eachRoom() iter.Seq[*Room] {
	return func(yield func(*Room) bool) {
		var some [roomsAtOnce]*Room
		for at, end := 0, 1; at < end; at += roomsAtOnce {
			h.mu.RLock()
			end = len(h.byNum)
			n := copy(some[:], h.byNum[min(at, end):])
			h.mu.RUnlock()
			for _, r := range some[:n] {
				if r != nil && !yield(r) {
					return
				}
			}
		}
	}
}

// Client is a connection as operators see it.
type Client struct {
	Client   string         // the client id
	User     string         // "": anonymous
	Dialect  string         // plain, json or protobuf
	Remote   netip.AddrPort // the port is 0 behind a listed proxy; zero for a Unix socket
	TLS      bool
	Opened   time.Time
	LastSend time.Time // when the socket last took bytes
	Queued   int       // bytes that the socket has refused
}

// ClientRooms is a Client with the rooms that it is in.
type ClientRooms struct {
	Client
	Rooms   []string // sorted; at most MaxRoomsListed
	InRooms int      // the number of all its rooms
}

// MaxRoomsListed is the maximum number of rooms in a ClientRooms.
const MaxRoomsListed = 50

// Slowest returns the n connections with the most queued bytes, the slowest first. Connections without
// queued bytes are not among them.
func (h *Hub) Slowest(n int) []Client {
	type lag struct {
		c      netpoll.Conn
		queued int
	}
	most := topN[lag]{n: n, order: func(a, b lag) int {
		return cmp.Or(cmp.Compare(b.queued, a.queued), cmp.Compare(a.c.ID(), b.c.ID()))
	}}
	for c := range h.server.Conns() {
		if queued := c.Queued(); queued > 0 && h.owns(c) {
			most.add(lag{c, queued})
		}
	}
	all := make([]Client, 0, len(most.best))
	for _, one := range most.best {
		if seen, ok := h.client(one.c); ok {
			all = append(all, seen)
		}
	}
	return all
}

// Find returns the connections of a user, or the connection with a client id: at most n, those that
// opened first. all is the number of all of them. If both user and client are "", there are none.
func (h *Hub) Find(user, client string, n int) (found []ClientRooms, all int) {
	first := topN[ClientRooms]{n: n, order: func(a, b ClientRooms) int {
		return cmp.Or(a.Opened.Compare(b.Opened), strings.Compare(a.Client.Client, b.Client.Client))
	}}
	for c := range h.named(user, client) {
		if seen, ok := h.client(c); ok {
			first.add(h.withRooms(c, seen))
			all++
		}
	}
	return first.best, all
}

// named walks the connections of a user, or the one with a client id.
func (h *Hub) named(user, client string) iter.Seq[netpoll.Conn] {
	return func(yield func(netpoll.Conn) bool) {
		if number, ok := strings.CutPrefix(client, plainPrefix); ok && user == "" {
			id, err := strconv.ParseUint(number, 16, 64)
			if c, ok := h.server.Conn(netpoll.ID(id)); err == nil && ok && c.Tag() != 0 {
				yield(c)
			}
			return
		}
		for c := range h.server.Conns() {
			p, s := principalOf(c), sessionOf(c)
			switch {
			case p == nil || user != "" && p.who.Load().User != user:
				continue
			case user == "" && (s == nil || client == "" || s.ClientID() != client):
				continue
			}
			if !yield(c) {
				return
			}
		}
	}
}

// owns reports whether a connection belongs to the hub. The server may have other connections.
func (h *Hub) owns(c netpoll.Conn) bool { return c.Tag() != 0 || sessionOf(c) != nil }

// client returns a connection as operators see it; false if it has ended.
func (h *Hub) client(c netpoll.Conn) (Client, bool) {
	info, ok := c.Info()
	if !ok || !h.owns(c) {
		return Client{}, false
	}
	who := AuthorOf(c)
	seen := Client{Client: who.Client, User: who.User, Dialect: "plain", Remote: info.Remote, TLS: info.TLS,
		Opened: info.Opened, LastSend: info.LastSend, Queued: info.Queued}
	if s := sessionOf(c); s != nil {
		seen.Dialect = s.Encoding().String()
	}
	return seen, true
}

// withRooms adds the rooms of a connection.
func (h *Hub) withRooms(c netpoll.Conn, seen Client) ClientRooms {
	var rooms []string
	if s := sessionOf(c); s != nil {
		rooms = s.Rooms()
	} else if m, ok := h.Member(c); ok {
		rooms = []string{m.Room.name}
	}
	slices.Sort(rooms)
	return ClientRooms{seen, rooms[:min(len(rooms), MaxRoomsListed)], len(rooms)}
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
