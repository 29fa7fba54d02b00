package budget

import (
	"net/netip"
	"strings"
	"sync"
	"unique"
)

// An Owner pays for a part of a Pool: a user, an address, or the server itself,
// which is the zero value. Owners are small, comparable and safe for concurrent
// use.
type Owner struct{ name unique.Handle[string] }

const (
	userPrefix = "user:"
	addrPrefix = "addr:"
)

// User is the owner for a user whom a token names.
func User(name string) Owner { return Owner{unique.Make(userPrefix + name)} }

// Addr is the owner for clients without a token at an address. An IPv6 client
// stands for its /64, because one subscriber has all of it.
func Addr(a netip.Addr) Owner {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		net, _ := a.Prefix(64) // is no error: 64 bits are there
		a = net.Addr()
	}
	return Owner{unique.Make(addrPrefix + a.String())}
}

// ParseOwner is the inverse of String. An unknown text is the server.
func ParseOwner(text string) Owner {
	if strings.HasPrefix(text, userPrefix) || strings.HasPrefix(text, addrPrefix) {
		return Owner{unique.Make(text)}
	}
	return Owner{}
}

// IsAddr reports whether the owner is an address.
func (o Owner) IsAddr() bool { return strings.HasPrefix(o.String(), addrPrefix) }

// User is the name of the user who is the owner; ok is false for other owners.
func (o Owner) User() (name string, ok bool) { return strings.CutPrefix(o.String(), userPrefix) }

// String is the owner in logs and in stored entries: "user:anna",
// "addr:192.0.2.7", or "" for the server.
func (o Owner) String() string {
	if o == (Owner{}) {
		return ""
	}
	return o.name.Value()
}

const (
	// takes is the rule of Take: an owner holds at most 1/takes of the free part.
	// An owner does not give back when others come, so k greedy owners leave
	// (16/17)^k of the pool: 62 % after 8 of them, 5 % after 50.
	takes = 16
	// least is what an owner may always hold while the pool has room: in a pool of a
	// few places a sixteenth would be nothing.
	least = 2
	// notable is the part of a pool, 1/notable, above which an owner pays before
	// all others. At most that many owners can be above it.
	notable = 64
)

// A Pool is a stock that all clients of the server share: bytes of a store,
// entries of a table, places of a queue. It counts the part that each owner holds,
// so that no owner takes the pool whole:
//
//   - In a store that cannot forget, Take lets an owner hold at most a sixteenth of
//     what stays free. One greedy owner gets 1/17 of the pool, the next one 1/17 of
//     the rest, and so on: an owner that holds little finds room long after those
//     that hold much are refused.
//   - In a store that forgets, Add counts without asking, and Largest names the
//     owner whose oldest data goes first.
//
// The server itself is bound by the limit only. All methods are safe for concurrent
// use; they take one mutex and call nothing.
type Pool struct {
	limit int64

	mu    sync.Mutex
	used  int64
	held  map[Owner]int64
	large map[Owner]struct{} // the owners that hold more than limit/notable
}

// NewPool makes a pool of limit units. A negative limit is no limit.
func NewPool(limit int64) *Pool {
	return &Pool{limit: limit, held: map[Owner]int64{}, large: map[Owner]struct{}{}}
}

// Take adds n units to the part of an owner if the pool and the owner's share have
// room for them, and reports whether they have.
func (p *Pool) Take(o Owner, n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.fitsLocked(o, n) {
		return false
	}
	p.addLocked(o, n)
	return true
}

// Fits reports whether Take would succeed. A store that learns of its entries
// later, from its engine, asks Fits first and calls Add then; requests under way at
// the same moment may together exceed the share by what they ask for.
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

// Add adds n units, or gives -n back, whatever the limit says.
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

// Largest names the owner that pays first: the one that holds most, if that is
// more than 1/64 of the pool. ok is false if no owner stands out like that; then
// the oldest data of all owners goes first. It looks at 64 owners at most.
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

// Limit is the limit that NewPool was given.
func (p *Pool) Limit() int64 { return p.limit }

// Used is how many units all owners hold together, the server included.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Held is how many units an owner holds; of the server it is not known.
func (p *Pool) Held(o Owner) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[o]
}
