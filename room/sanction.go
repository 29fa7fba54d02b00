package room

import (
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
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
	bans     map[whoWhere]policy.Reach
	mutes    map[whoWhere]mute
	networks map[networkWhere]policy.Reach
	lengths  map[int]int // how many networks have that length
	// byAddress is how many networks there are; without any, nobody asks for an address.
	byAddress atomic.Int64
	paces     map[string]pace
}

type whoWhere struct{ room, who string }

func reachOf(e engine.Entry) policy.Reach {
	var v sanctionValue
	if e.Value == nil {
		return policy.Nobody
	}
	if _ = json.Unmarshal(e.Value, &v); v.Over { // what cannot be read: as most
		return policy.All
	}
	return policy.Most
}

type mute struct {
	policy.Reach
	end time.Time // zero: none
}

type networkWhere struct {
	room string
	net  netip.Prefix
}

func (h *Hub) watchSanctions() (stop func()) {
	s := &h.sanctions
	s.bans, s.mutes, s.networks = map[whoWhere]policy.Reach{}, map[whoWhere]mute{}, map[networkWhere]policy.Reach{}
	s.lengths, s.paces = map[int]int{}, map[string]pace{}
	stops := []func(){
		h.engine.Watch(engine.TableBan, h.toldBan), h.engine.Watch(engine.TableBanIP, h.toldBanIP),
		h.engine.Watch(engine.TableMute, h.toldMute), h.engine.Watch(engine.TableRoom, h.toldRoom),
	}
	stops = append(stops, h.watchShares()...)
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func (h *Hub) toldBan(_, e engine.Entry) {
	s, k := &h.sanctions, whoWhere{e.Of, e.Name}
	s.mu.Lock()
	if delete(s.bans, k); e.Value != nil {
		s.bans[k] = reachOf(e)
	}
	s.mu.Unlock()
	if e.Value != nil {
		h.Post(func() {
			bound := h.sessionsOf(e.Name)
			h.remove(e.Of, bound, h.bearers.Load() > 0)
			free := func(s Session) bool { return !h.strikes(e.Of, s.principal().who.Load()) }
			if len(bound) > 0 && !slices.ContainsFunc(bound, free) {
				h.strike(e.Of, e.Name)
			}
		})
	}
}

// A ban in a room takes off its roster whom it binds. One that binds everybody does
// so when it is imposed; one that binds no admin when it meets the user, with a
// token that says who that is: at a node that has a connection then, or when the
// user next asks for a list.

// strikes tells whether a ban takes somebody off a room's roster.
func (h *Hub) strikes(room string, who *token.Identity) bool {
	s := &h.sanctions
	s.mu.RLock()
	defer s.mu.RUnlock()
	return room != "" && who.User != "" && s.bans[whoWhere{room, who.User}].Binds(who, room)
}

// Struck tells whether a user, who is no admin, is banned in a room by name.
func (h *Hub) Struck(room, user string) bool { return h.strikes(room, &token.Identity{User: user}) }

// Banned tells whether a user, who is no admin, may not be in a room, or anywhere.
func (h *Hub) Banned(room, user string) bool {
	return h.CheckBan(&token.Identity{User: user}, netip.Addr{}, room) != nil
}

// strike takes a user off a room's roster. The user's list is mended when it is
// read.
func (h *Hub) strike(room, user string) {
	h.engine.Delete(engine.Key{Table: engine.TableMember, Of: room, Name: user}, engine.AnyVersion, func(error) {})
}

func (h *Hub) toldBanIP(_, e engine.Entry) {
	net, err := netip.ParsePrefix(e.Name)
	if err != nil {
		return // nobody that checks writes that
	}
	s, k := &h.sanctions, networkWhere{e.Of, net}
	s.mu.Lock()
	if s.networks[k] != policy.Nobody {
		delete(s.networks, k)
		s.byAddress.Add(-1)
		if s.lengths[net.Bits()]--; s.lengths[net.Bits()] == 0 {
			delete(s.lengths, net.Bits())
		}
	}
	if e.Value != nil {
		s.networks[k] = reachOf(e)
		s.lengths[net.Bits()]++
		s.byAddress.Add(1)
	}
	s.mu.Unlock()
	if e.Value != nil {
		h.Post(func() {
			h.remove(e.Of, h.sessionsIn(e.Of, func(s Session) bool { return net.Contains(AddressOf(s.Conn())) }), true)
		})
	}
}

func (h *Hub) toldMute(_, e engine.Entry) {
	s, k := &h.sanctions, whoWhere{e.Of, e.Name}
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.mutes, k); e.Value != nil {
		s.mutes[k] = mute{reachOf(e), e.Expires}
	}
}

func (h *Hub) toldRoom(_, e engine.Entry) {
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

// remove ends what those of the sessions that are banned have of a room, or,
// without one, their connections; and plain ones, if that is asked for, of which all
// in the room are looked at.
func (h *Hub) remove(room string, some []Session, plain bool) {
	for _, s := range some {
		switch {
		case h.CheckSessionBan(s, room) == nil: // it is an admin, or the ban is over
		case room == "":
			s.Disconnect(wire.DisconnectBanned)
		default:
			s.Leave(room)
		}
	}
	if plain {
		h.closePlain(room, wire.DisconnectBanned, wire.DisconnectBanned.Text(), func(c netpoll.Conn) bool {
			return h.CheckBan(identityOf(c), AddressOf(c), room) != nil
		})
	}
}

// AddressOf is where a connection comes from.
func AddressOf(c netpoll.Conn) netip.Addr {
	remote, _ := c.Remote()
	return remote.Addr().Unmap().WithZone("") // no network contains an address with a zone
}

// standing is how things stand for a subject in a room, as the judge takes it. A ban
// is of the user or of the address: the one that binds more counts.
func (s *sanctions) standing(who policy.Subject, room string) (r policy.Room) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.bans)+len(s.mutes)+len(s.networks) > 0 { // in most chats at most times there is none
		s.judgedLocked(policy.Everywhere, who, "", &r)
		if room != "" {
			s.judgedLocked(policy.Here, who, room, &r)
		}
	}
	if len(s.paces) > 0 {
		p := s.paces[room]
		r.Locked, r.Slow = p.locked, p.slow
	}
	return r
}

// judgedLocked notes what was imposed on a subject in a room, or, without one,
// everywhere. s.mu is held.
func (s *sanctions) judgedLocked(at int, who policy.Subject, room string, r *policy.Room) {
	if user := who.Who.User; user != "" {
		r.Bans[at] = s.bans[whoWhere{room, user}]
		if m, is := s.mutes[whoWhere{room, user}]; is && (m.end.IsZero() || m.end.After(time.Now())) {
			r.Mutes[at], r.Ends[at] = m.Reach, m.end
		}
	}
	for bits := range s.lengths {
		if net, err := who.Addr.Prefix(bits); err == nil {
			r.Bans[at] = max(r.Bans[at], s.networks[networkWhere{room, net}])
		}
	}
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
