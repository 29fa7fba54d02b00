package budget

import (
	"net/netip"
	"strings"
	"sync"
	"unique"
)

// An Owner holds a part of a Pool: a user, an address, or the server itself, which is the zero
// value. Owners are small, comparable, and safe for concurrent use.
type Owner struct{ name unique.Handle[string] }

const (
	userPrefix = "user:"
	addrPrefix = "addr:"
)

// User returns the owner for a user that a token names.
func User(name string) Owner { return Owner{unique.Make(userPrefix + name)} }

// Addr returns the owner for clients without a token at an address. For IPv6 it is the /64 of
// the address, because one subscriber usually has a whole /64.
func Addr(a netip.Addr) Owner {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		net, _ := a.Prefix(64) // never fails: a is an IPv6 address
		a = net.Addr()
	}
	return Owner{unique.Make(addrPrefix + a.String())}
}

// ParseOwner is the inverse of String. For an unknown text it returns the server.
func ParseOwner(text string) Owner {
	if strings.HasPrefix(text, userPrefix) || strings.HasPrefix(text, addrPrefix) {
		return Owner{unique.Make(text)}
	}
	return Owner{}
}

// IsAddr reports whether the owner is an address.
func (o Owner) IsAddr() bool { return strings.HasPrefix(o.String(), addrPrefix) }

// User returns the name of the user if the owner is a user; ok is false for other owners.
func (o Owner) User() (name string, ok bool) { return strings.CutPrefix(o.String(), userPrefix) }

// String returns the owner as logs and stored entries name it: "user:anna", "addr:192.0.2.7",
// or "" for the server.
func (o Owner) String() string {
	if o == (Owner{}) {
		return ""
	}
	return o.name.Value()
}

const (
	// takes is the rule of Take: an owner holds at most 1/takes of the free part. Owners do not
	// give back when others arrive, so k greedy owners leave (16/17)^k of the pool: 62 % after
	// 8 owners, 5 % after 50.
	takes = 16
	// least is the amount that an owner may always hold while the pool has space: in a small
	// pool, a sixteenth would be nothing.
	least = 2
	// An owner that holds more than 1/notable of the pool loses its data before all others. At
	// most notable owners can hold that much.
	notable = 64
)

// A Pool is a stock that all clients of the server share: bytes of a store, entries of a table,
// slots of a queue. It counts the part of each owner, so that no owner takes the whole pool:
//
//   - In a store that cannot evict data, Take lets an owner hold at most a sixteenth of the free part.
//     The first greedy owner gets 1/17 of the pool, the next one 1/17 of the rest, and so on: an owner
//     that holds little still gets space long after the large owners are refused.
//   - In a store that evicts data, Add counts unconditionally, and Largest names the owner that loses
//     its oldest data first.
//
// Only the limit bounds the server itself. All methods are safe for concurrent use; they hold
// one mutex and call no other code.
type Pool struct {
	mu    sync.Mutex
	limit int64
	used  int64
	held  map[Owner]int64
	large map[Owner]struct{} // the owners that hold more than limit/notable
}

// NewPool returns a pool of limit units. A negative limit means no limit.
func NewPool(limit int64) *Pool {
	return &Pool{limit: limit, held: map[Owner]int64{}, large: map[Owner]struct{}{}}
}

// SetLimit changes the limit. What owners hold stays, also above the new limit.
func (p *Pool) SetLimit(limit int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
	for o, held := range p.held {
		p.rankLocked(o, held)
	}
}

// Take adds n units to the part of an owner if both the pool and the owner's share have space
// for them, and reports whether they had.
func (p *Pool) Take(o Owner, n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.fitsLocked(o, n) {
		return false
	}
	p.addLocked(o, n)
	return true
}

// Fits reports whether Take would succeed. A store that learns of its entries later, from its
// engine, calls Fits first and Add afterwards. Requests that are in progress at the same moment
// may together exceed the share.
func (p *Pool) Fits(o Owner, n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fitsLocked(o, n)
}

func (p *Pool) fitsLocked(o Owner, n int64) bool {
	if p.limit < 0 || n <= 0 {
		return true
	}
	free := p.limit - p.used - n
	return free >= 0 && (o == Owner{} || p.held[o]+n <= max(free/takes, least))
}

// Add adds n units, or gives back -n, regardless of the limit.
func (p *Pool) Add(o Owner, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addLocked(o, n)
}

func (p *Pool) addLocked(o Owner, n int64) {
	p.used += n
	if (o == Owner{}) {
		return
	}
	held := p.held[o] + n
	if held <= 0 {
		delete(p.held, o)
	} else {
		p.held[o] = held
	}
	p.rankLocked(o, held)
}

// rankLocked notes whether an owner that holds so much is a large one.
func (p *Pool) rankLocked(o Owner, held int64) {
	if p.limit >= 0 && held > p.limit/notable {
		p.large[o] = struct{}{}
	} else {
		delete(p.large, o)
	}
}

// Over reports whether the pool holds more than its limit.
func (p *Pool) Over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit >= 0 && p.used > p.limit
}

// Largest returns the owner that loses data first: the one that holds most, if that is more
// than 1/64 of the pool. If no owner holds that much, ok is false, and the oldest data of all
// owners is evicted first. Largest looks at 64 owners at most.
func (p *Pool) Largest() (largest Owner, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := int64(0)
	for o := range p.large {
		if held := p.held[o]; held > most {
			largest, most, ok = o, held, true
		}
	}
	return largest, ok
}

// Limit returns the limit.
func (p *Pool) Limit() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

// Used returns the number of units that all owners hold together, including the server.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Held returns the number of units that an owner holds. It is always 0 for the server, which is
// not counted.
func (p *Pool) Held(o Owner) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[o]
}
