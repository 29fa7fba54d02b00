package moderation

import (
	"encoding/json"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
)

// Cache is this node's copy of all sanctions, and of the room settings that are checked with each
// message. It follows the State by watching it. All methods are safe for concurrent use.
type Cache struct {
	mu       sync.RWMutex // innermost
	bans     map[target]policy.Reach
	mutes    map[target]mute
	networks map[network]policy.Reach
	lengths  map[int]int // number of networks by prefix length
	paces    map[string]pace
	// byAddress is the number of networks. While it is 0, nobody has to look up an address.
	byAddress atomic.Int64
}

// target is a user in a room; room "" is the whole server.
type target struct{ room, user string }

// network is a banned network in a room; room "" is the whole server.
type network struct {
	room string
	net  netip.Prefix
}

type mute struct {
	policy.Reach
	end time.Time // zero: none
}

// pace is the part of a room's settings that is checked with each message.
type pace struct {
	locked bool
	slow   time.Duration
}

func newCache() *Cache {
	return &Cache{bans: map[target]policy.Reach{}, mutes: map[target]mute{}, networks: map[network]policy.Reach{},
		lengths: map[int]int{}, paces: map[string]pace{}}
}

// HasNetworks reports whether there is any ban by address. It is fast: callers use it to avoid
// looking up addresses.
func (c *Cache) HasNetworks() bool { return c.byAddress.Load() > 0 }

// Standing returns the sanctions against a subject in a room, and the settings of the room, for
// policy.Decide. A subject is banned by its user or by its address: the ban with the greater reach
// counts.
func (c *Cache) Standing(who policy.Subject, room string) (r policy.Room) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.bans)+len(c.mutes)+len(c.networks) > 0 { // usually there is none
		c.standingLocked(policy.Everywhere, who, "", &r)
		if room != "" {
			c.standingLocked(policy.Here, who, room, &r)
		}
	}
	if len(c.paces) > 0 {
		p := c.paces[room]
		r.Locked, r.Slow = p.locked, p.slow
	}
	return r
}

// standingLocked adds the sanctions that were imposed in a room; "" is the whole server.
func (c *Cache) standingLocked(at int, who policy.Subject, room string, r *policy.Room) {
	if user := who.Who.User; user != "" {
		r.Bans[at] = c.bans[target{room, user}] // until the State removes the entry, at its end
		if m, is := c.mutes[target{room, user}]; is && (m.end.IsZero() || m.end.After(time.Now())) {
			r.Mutes[at], r.Ends[at] = m.Reach, m.end
		}
	}
	for bits := range c.lengths {
		if net, err := who.Addr.Prefix(bits); err == nil {
			r.Bans[at] = max(r.Bans[at], c.networks[network{room, net}])
		}
	}
}

// BanBinds reports whether a ban of the user in that room, by name, binds somebody. Only such a ban
// removes a user from a roster.
func (c *Cache) BanBinds(room string, who *token.Identity) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return room != "" && who.User != "" && c.bans[target{room, who.User}].Binds(who, room)
}

// storeBan is called with each change of a ban of a user.
func (c *Cache) storeBan(e engine.Entry) {
	k := target{e.Of, e.Name}
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.bans, k); e.Value != nil {
		c.bans[k] = reachOf(e)
	}
}

// storeNetwork is called with each change of a ban of a network.
func (c *Cache) storeNetwork(net netip.Prefix, e engine.Entry) {
	k := network{e.Of, net}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.networks[k] != policy.Nobody {
		delete(c.networks, k)
		c.byAddress.Add(-1)
		if c.lengths[net.Bits()]--; c.lengths[net.Bits()] == 0 {
			delete(c.lengths, net.Bits())
		}
	}
	if e.Value != nil {
		c.networks[k] = reachOf(e)
		c.lengths[net.Bits()]++
		c.byAddress.Add(1)
	}
}

// storeMute is called with each change of a mute.
func (c *Cache) storeMute(_, e engine.Entry) {
	k := target{e.Of, e.Name}
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.mutes, k); e.Value != nil {
		c.mutes[k] = mute{reachOf(e), e.Expires}
	}
}

// storeSettings is called with each change of a room's settings.
func (c *Cache) storeSettings(_, e engine.Entry) {
	var set policy.Settings
	_ = json.Unmarshal(e.Value, &set) // without an entry, or with one that cannot be read: the defaults
	p := pace{set.Locked, time.Duration(set.Slow) * time.Second}
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.paces, e.Of); p != (pace{}) {
		c.paces[e.Of] = p
	}
}
