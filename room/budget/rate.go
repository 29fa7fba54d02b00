package budget

import (
	"cmp"
	"sync/atomic"
	"time"
)

// A Rate bounds a flow: N units at once, after which they come back evenly, all of
// them within Per. A unit is a command, a message or a byte. The zero value stands
// for a default; a negative N is no bound.
type Rate struct {
	N   int
	Per time.Duration
}

// Unlimited is no bound.
var Unlimited = Rate{N: -1}

// WithDefault fills in the fields of r that are zero.
func (r Rate) WithDefault(def Rate) Rate {
	r.N = cmp.Or(r.N, def.N)
	r.Per = cmp.Or(r.Per, def.Per, time.Second)
	return r
}

// Part is a rate of 1/k of r, but at least of one unit.
func (r Rate) Part(k int) Rate {
	if r.N > 0 {
		r.N = max(1, r.N/k)
	}
	return r
}

// longest bounds a debt, so that no cost can overflow.
const longest = int64(1000 * time.Hour)

// price is the time in which n units come back.
func (r Rate) price(n int) int64 {
	return int64(min(float64(n)*float64(r.Per)/float64(r.N), float64(longest)))
}

// A Bucket is what is left of a Rate, in 8 bytes and without a timer: the moment at
// which it will be full again, in nanoseconds of a clock of the caller's, which
// begins at zero and never goes back. The zero value is full. All methods are safe
// for concurrent use and wait for nobody.
//
// A cost that is known beforehand is taken with Take. One that is known only
// afterwards, such as the size of an inflated message, is charged with Charge; that
// may leave a debt, and the debt of the last cost stops the next one.
type Bucket struct{ full atomic.Int64 }

// Take takes n units, or reports that so many are not left and takes nothing.
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

// Charge takes n units, whether they are left or not.
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

// Spend charges n units if there is no debt, and reports whether there was none.
// So a single cost may be larger than the whole rate; it keeps the next one waiting
// for longer.
func (b *Bucket) Spend(r Rate, n int, now int64) bool {
	if b.Debt(r, now) > 0 {
		return false
	}
	b.Charge(r, n, now)
	return true
}

// Debt is the time until what was charged too much has come back; 0 if there is no
// debt.
func (b *Bucket) Debt(r Rate, now int64) time.Duration {
	if r.N < 0 {
		return 0
	}
	return time.Duration(max(0, b.full.Load()-now-int64(r.Per)))
}

// Used is how many units are missing at the moment.
func (b *Bucket) Used(r Rate, now int64) int {
	missing := b.full.Load() - now
	if r.N < 0 || missing <= 0 {
		return 0
	}
	return int(float64(missing) * float64(r.N) / float64(r.Per))
}

// Full is the moment at which nothing is missing any more; it may be long ago.
func (b *Bucket) Full() int64 { return b.full.Load() }
