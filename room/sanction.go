package room

import (
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"webim/netpoll"
	"webim/room/wire"
)

// A sanction is an entry of the engine's State; every hub watches those tables
// and keeps what they say in memory, so that no message waits to be judged. A
// ban ends what it forbids wherever that goes on: the hub that is told of one
// closes the connections, or takes them out of the room. Who is coming in at that
// moment is noted first and judged then, so that one of the two sees the other.

// sanctions are the bans and mutes that stand, and the rooms that are not set as
// most. Room "" stands for all.
type sanctions struct {
	mu       sync.RWMutex // innermost
	bans     map[whoWhere]bool
	mutes    map[whoWhere]time.Time // their ends; zero: none
	networks map[networkWhere]bool
	lengths  map[int]int // how many networks have that length
	paces    map[string]pace
	next     map[whoWhere]turnToTalk
	swept    time.Time // when those of next were forgotten that may speak again
}

// turnToTalk is when somebody may say the next thing in a slow room, and the key
// of the last.
type turnToTalk struct {
	at  time.Time
	key string
}

type whoWhere struct{ room, who string }

type networkWhere struct {
	room string
	net  netip.Prefix
}

// maxPaced is how many users of slow rooms are remembered. Above it those are
// forgotten that may speak again, which is looked for once a second at most; then
// anybody, who may speak too soon.
const maxPaced = 10_000

func (h *Hub) watchSanctions() (stop func()) {
	s := &h.sanctions
	s.bans, s.mutes, s.networks = map[whoWhere]bool{}, map[whoWhere]time.Time{}, map[networkWhere]bool{}
	s.lengths, s.paces, s.next = map[int]int{}, map[string]pace{}, map[whoWhere]turnToTalk{}
	stops := []func(){
		h.engine.Watch(TableBan, h.toldBan), h.engine.Watch(TableBanIP, h.toldBanIP),
		h.engine.Watch(TableMute, h.toldMute), h.engine.Watch(TableRoom, h.toldRoom),
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func (h *Hub) toldBan(e Entry) {
	s, k := &h.sanctions, whoWhere{e.Of, e.Name}
	s.mu.Lock()
	if delete(s.bans, k); e.Value != nil {
		s.bans[k] = true
	}
	s.mu.Unlock()
	if e.Value != nil {
		h.soon(func() {
			h.remove(e.Of, h.users.of(e.Name), func(a Author) bool { return a.User == e.Name })
		})
	}
}

func (h *Hub) toldBanIP(e Entry) {
	net, err := netip.ParsePrefix(e.Name)
	if err != nil {
		return // nobody that checks writes that
	}
	s, k := &h.sanctions, networkWhere{e.Of, net}
	s.mu.Lock()
	if s.networks[k] != (e.Value != nil) {
		if e.Value != nil {
			s.networks[k] = true
			s.lengths[net.Bits()]++
		} else {
			delete(s.networks, k)
			if s.lengths[net.Bits()]--; s.lengths[net.Bits()] == 0 {
				delete(s.lengths, net.Bits())
			}
		}
	}
	s.mu.Unlock()
	if e.Value == nil {
		return
	}
	h.soon(func() {
		inside := func(c netpoll.Conn) bool { return net.Contains(addressOf(c)) }
		for _, one := range h.all(func(s *session) bool { return inside(s.conn) }) {
			one.removeFrom(e.Of)
		}
		h.closePlainIn(e.Of, inside)
	})
}

func (h *Hub) toldMute(e Entry) {
	s, k := &h.sanctions, whoWhere{e.Of, e.Name}
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.mutes, k); e.Value != nil {
		s.mutes[k] = e.Expires
	}
}

func (h *Hub) toldRoom(e Entry) {
	var set Settings
	_ = json.Unmarshal(e.Value, &set) // nothing, or what cannot be read: as most
	p := pace{set.Locked, time.Duration(set.Slow) * time.Second}
	s := &h.sanctions
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.paces, e.Of); p != (pace{}) {
		s.paces[e.Of] = p
	}
}

// remove ends what sessions, and the plain connections that a test picks, have of
// a room, or, without one, the connections.
func (h *Hub) remove(room string, all []*session, plain func(Author) bool) {
	for _, s := range all {
		s.removeFrom(room)
	}
	if h.bearers.Load() > 0 {
		h.closePlainIn(room, func(c netpoll.Conn) bool { return plain(authorOf(c)) })
	}
}

func (s *session) removeFrom(room string) {
	if room == "" {
		s.disconnect(wire.DisconnectBanned)
		return
	}
	s.expelled(room)
}

// closePlainIn closes plain connections: they are in one room, and can only be
// sent away.
func (h *Hub) closePlainIn(room string, test func(netpoll.Conn) bool) {
	for c := range h.server.Conns() {
		m, ok := h.Member(c)
		if ok && (room == "" || m.Room.name == room) && test(c) {
			_ = c.Close(wireStatus(wire.DisconnectBanned), wire.DisconnectBanned.Text())
		}
	}
}

// addressOf is where a connection comes from.
func addressOf(c netpoll.Conn) netip.Addr {
	info, _ := c.Info()
	return info.Remote.Addr().Unmap()
}

// isBanned tells whether a user, or who comes from an address, may not be in a
// room, or anywhere.
func (h *Hub) isBanned(room, user string, addr netip.Addr) bool {
	s := &h.sanctions
	s.mu.RLock()
	defer s.mu.RUnlock()
	if user != "" && (s.bans[whoWhere{"", user}] || s.bans[whoWhere{room, user}]) {
		return true
	}
	for bits := range s.lengths {
		net, err := addr.Prefix(bits)
		if err == nil && (s.networks[networkWhere{"", net}] || s.networks[networkWhere{room, net}]) {
			return true
		}
	}
	return false
}

// Banned tells whether a user may not be in a room, or anywhere.
func (h *Hub) Banned(room, user string) bool { return h.isBanned(room, user, netip.Addr{}) }

// Muted tells whether a user may say nothing in a room, or anywhere, and until
// when: zero: until that is lifted.
func (h *Hub) Muted(room, user string) (until time.Time, is bool) { return h.isMuted(room, user) }

// isMuted tells whether a user may say nothing in a room, and until when.
func (h *Hub) isMuted(room, user string) (until time.Time, is bool) {
	s := &h.sanctions
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, where := range []string{"", room} {
		if until, is = s.mutes[whoWhere{where, user}]; is && user != "" && (until.IsZero() || until.After(time.Now())) {
			return until, true
		}
	}
	return time.Time{}, false
}

// mayTalk judges what sanctions and the room's settings have against somebody who
// may send there by the rights; moderates: it may mute others. message: a message
// of its own, which slow mode counts; key is that of the message. who tells users
// apart, and connections without one.
func (h *Hub) mayTalk(room, user, who string, moderates func() bool, message bool, key string) error {
	if until, is := h.isMuted(room, user); is {
		text := "you are muted here"
		if !until.IsZero() {
			text += " until " + until.UTC().Format(time.RFC3339)
		}
		return wire.Explain(wire.ErrMuted, text)
	}
	s := &h.sanctions
	s.mu.RLock()
	p, special := s.paces[room]
	s.mu.RUnlock()
	switch {
	case !special || moderates():
		return nil
	case p.locked:
		return wire.Explain(wire.ErrLocked, "the room is locked")
	case p.slow > 0 && message:
		return s.slow(whoWhere{room, who}, p.slow, key)
	}
	return nil
}

// slow counts a message in slow mode. Each node counts for itself. The last one
// may come again at any time, if it has a key: were its sender to wait, the key
// might be forgotten meanwhile and the message be said twice.
func (s *sanctions) slow(k whoWhere, every time.Duration, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, last := time.Now(), s.next[k]
	if wait := last.at.Sub(now); wait > 0 {
		if key != "" && key == last.key {
			return nil
		}
		return wire.Explain(wire.ErrSlowMode, "slow mode: wait "+wait.Round(time.Second).String())
	}
	s.makeRoomLocked(now)
	s.next[k] = turnToTalk{now.Add(every), key}
	return nil
}

// makeRoomLocked sees that one more can be remembered.
func (s *sanctions) makeRoomLocked(now time.Time) {
	if len(s.next) >= maxPaced && now.Sub(s.swept) >= time.Second {
		s.swept = now
		maps.DeleteFunc(s.next, func(_ whoWhere, t turnToTalk) bool { return !t.at.After(now) })
	}
	for k := range s.next {
		if len(s.next) < maxPaced {
			return
		}
		delete(s.next, k)
	}
}

// mayTalk judges a session's message, or another saying, in a room; key is that of
// the message.
func (s *session) mayTalk(room string, message bool, key string) error {
	user := s.who.Load().User
	who := user
	if who == "" {
		who = "\x00" + s.client() // no user is called so
	}
	moderates := func() bool { return s.allowed(ActMute, room) }
	return s.hub.mayTalk(room, user, who, moderates, message, key)
}

// notBanned judges whether a session may be in a room.
func (s *session) notBanned(room string) error {
	if s.hub.isBanned(room, s.who.Load().User, addressOf(s.conn)) {
		return wire.ErrBanned
	}
	return nil
}

// ParseNetwork reads what a ban by address is for: a prefix, or an address, of
// IPv6 with its /64, which is what one subscriber has. Networks of whole providers
// are refused.
func ParseNetwork(text string) (netip.Prefix, error) {
	net, err := netip.ParsePrefix(text)
	if !strings.Contains(text, "/") {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(text); err == nil {
			bits := 32
			if addr = addr.Unmap().WithZone(""); addr.Is6() {
				bits = 64
			}
			net = netip.PrefixFrom(addr, bits)
		}
	}
	least := 8
	if net.Addr().Is6() {
		least = 32
	}
	switch {
	case err != nil || net.Addr().Is4In6():
		return net, errors.New("ip is an address or a network, as 192.0.2.7 or 192.0.2.0/24")
	case net.Bits() < least:
		return net, errors.New("ip is too large a network: /8 of IPv4 and /32 of IPv6 are the largest")
	}
	return net.Masked(), nil
}
