package netpoll

import (
	mathbits "math/bits"
	"sync/atomic"
	"time"
)

// histogramBuckets: durations below 4 ns have one each, longer ones four for each
// power of two.
const histogramBuckets = 248

// Histogram counts durations, each to within a fourth of itself. The zero value is
// ready, takes 2 KB, and is safe for concurrent use; Observe takes some 10 ns.
type Histogram struct {
	buckets [histogramBuckets]atomic.Uint64
}

// Observe counts a duration; one below zero counts as zero.
func (h *Histogram) Observe(d time.Duration) { h.buckets[bucketOf(d)].Add(1) }

// Spread counts n durations that lie evenly between two: one step for each bucket
// that they reach.
func (h *Histogram) Spread(least, most time.Duration, n uint64) {
	least = max(least, 0)
	last, counted := bucketOf(most), uint64(0)
	for i := bucketOf(least); i < last; i++ {
		below := uint64(float64(n)*float64(bucketTop(i)+1-least)/float64(most-least) + 0.5)
		h.buckets[i].Add(below - counted)
		counted = below
	}
	h.buckets[last].Add(n - counted)
}

// Counts reads the histogram; what is observed meanwhile may or may not be there.
func (h *Histogram) Counts() (c Counts) {
	for i := range h.buckets {
		c[i] = h.buckets[i].Load()
	}
	return c
}

// Counts are what a Histogram held at a time.
type Counts [histogramBuckets]uint64

// Since is what came after an earlier reading of the same Histogram.
func (c Counts) Since(earlier Counts) Counts {
	for i := range c {
		c[i] -= earlier[i]
	}
	return c
}

// Total is how many durations were counted.
func (c *Counts) Total() (n uint64) {
	for _, k := range c {
		n += k
	}
	return n
}

// Quantile is the duration that a share q of all, from 0 to 1, does not exceed,
// at most a fourth too long; 0 if there are none.
func (c *Counts) Quantile(q float64) time.Duration {
	total, sum := c.Total(), uint64(0)
	for i, k := range c {
		if sum += k; k > 0 && float64(sum) >= q*float64(total) {
			return bucketTop(i)
		}
	}
	return 0
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 4 {
		return int(v)
	}
	shift := mathbits.Len64(v) - 3
	return shift<<2 + int(v>>shift)
}

// bucketTop is the longest duration of a bucket.
func bucketTop(i int) time.Duration {
	if i < 8 {
		return time.Duration(i)
	}
	shift := i>>2 - 1
	return time.Duration(uint64(i&3+5)<<shift - 1)
}
