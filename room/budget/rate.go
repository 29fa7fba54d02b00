package budget

import (
	"cmp"
	"sync/atomic"
	"time"
)

// A Rate bounds a flow: N units are available at once, and they refill evenly within Per. A
// unit is a command, a message or a byte. A zero value means the default; a negative N means no
// limit.
type Rate struct {
	N   int
	Per time.Duration
}

// Unlimited has no limit.
var Unlimited = Rate{N: -1}

// WithDefault replaces the zero fields of r with those of def.
func (r Rate) WithDefault(def Rate) Rate {
	r.N = cmp.Or(r.N, def.N)
	r.Per = cmp.Or(r.Per, def.Per, time.Second)
	return r
}

// Part returns 1/k of r, but at least one unit.
func (r Rate) Part(k int) Rate {
	if r.N > 0 {
		r.N = max(1, r.N/k)
	}
	return r
}

// longest limits a debt, so that no cost can overflow.
const longest = int64(1000 * time.Hour)

// price returns the time in which n units refill, in nanoseconds.
func (r Rate) price(n int) int64 {
	return int64(min(float64(n)*float64(r.Per)/float64(r.N), float64(longest)))
}

// A Bucket holds the level of a Rate in 8 bytes and without a timer: the time at which it will
// be full again, in nanoseconds of the caller's clock, which starts at zero and never goes
// back. The zero value is full. All methods are safe for concurrent use and do not block.
//
// If a cost is known beforehand, take it with Take. If it is known only afterwards, such as the
// size of an inflated message, charge it with Charge; that may leave a debt, and a debt stops
// the next cost.
type Bucket struct{ full atomic.Int64 }

// Take takes n units and reports true. If fewer are left, it takes nothing and reports false.
func (b *Bucket) Take(r Rate, n int, now int64) bool {
	if r.N < 0 {
		return true
	}
	for {
		old := b.full.Load()
		full := max(old, now) + r.price(n)
		if full-now > int64(r.Per) {
			return false
		}
		if b.full.CompareAndSwap(old, full) {
			return true
		}
	}
}

// Charge takes n units, even if fewer are left.
func (b *Bucket) Charge(r Rate, n int, now int64) {
	if r.N < 0 || n <= 0 {
		return
	}
	for {
		old := b.full.Load()
		full := min(max(old, now)+r.price(n), now+int64(r.Per)+longest)
		if b.full.CompareAndSwap(old, full) {
			return
		}
	}
}

// Spend charges n units if there is no debt, and reports whether there was none. So a single
// cost may be larger than the whole rate; the next one then waits longer.
func (b *Bucket) Spend(r Rate, n int, now int64) bool {
	if b.Debt(r, now) > 0 {
		return false
	}
	b.Charge(r, n, now)
	return true
}

// Debt returns the time until the debt is paid; 0 if there is no debt.
func (b *Bucket) Debt(r Rate, now int64) time.Duration {
	if r.N < 0 {
		return 0
	}
	return time.Duration(max(0, b.full.Load()-now-int64(r.Per)))
}

// Used returns the number of units that have not yet refilled.
func (b *Bucket) Used(r Rate, now int64) int {
	missing := b.full.Load() - now
	if r.N < 0 || missing <= 0 {
		return 0
	}
	return int(float64(missing) * float64(r.N) / float64(r.Per))
}

// Rescale gives the bucket of a rate that becomes another one the same part of that: what was half empty is half empty. A debt is paid
// no later than it was, or than the new rate refills: a cost that came at the new rate already would count too much. Without a limit
// before or after, the bucket is as it is.
func (b *Bucket) Rescale(old, next Rate, now int64) {
	if old.N < 0 || next.N < 0 || old.Per == next.Per {
		return
	}
	for {
		was := b.full.Load()
		missing := min(float64(was-now)/float64(old.Per)*float64(next.Per), float64(max(int64(next.Per), was-now)))
		if was <= now || b.full.CompareAndSwap(was, now+int64(missing)) {
			return
		}
	}
}

// Full returns the time at which the bucket is full again; it may be long ago. SetFull sets it.
func (b *Bucket) Full() int64     { return b.full.Load() }
func (b *Bucket) SetFull(t int64) { b.full.Store(t) }
