package durations

import (
	"math"
	"testing"
	"time"
)

// TestHistogramBuckets checks that each duration lies in the bucket with the next higher top, which is
// at most a fourth above it.
func TestHistogramBuckets(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 100, time.Microsecond, time.Millisecond,
		time.Second - 1, time.Second, time.Hour, math.MaxInt64 - 1, math.MaxInt64} {
		i := bucketOf(d)
		if top := bucketTop(i); top < d || top-max(d, 0) > d/4+1 {
			t.Errorf("%d ns: bucket %d ends at %d", d, i, top)
		}
		if i > 0 && bucketTop(i-1) >= max(d, 0) {
			t.Errorf("%d ns: bucket %d ends at %d already", d, i-1, bucketTop(i-1))
		}
	}
	if last := bucketOf(math.MaxInt64); last != numBuckets-1 {
		t.Errorf("the last bucket is %d", last)
	}
}

// What is spread is all counted, and lies as evenly as the buckets tell.
func TestHistogramSpread(t *testing.T) {
	for _, c := range []struct {
		least, most time.Duration
		n           uint64
		p50         time.Duration
	}{
		{time.Millisecond, 100 * time.Millisecond, 1000, 50 * time.Millisecond},
		{0, time.Second, 7, 500 * time.Millisecond},
		{time.Second, time.Second, 3, time.Second},
		{-time.Second, 0, 5, 0},
		{time.Second, time.Millisecond, 5, time.Millisecond},
		{1, math.MaxInt64, 1 << 40, math.MaxInt64 / 2},
		{1, time.Hour, 0, 0},
	} {
		var h Histogram
		h.Spread(c.least, c.most, c.n)
		got := h.Counts()
		if got.Total() != c.n {
			t.Errorf("%+v: %d are counted", c, got.Total())
		}
		if p50 := got.Quantile(0.5); p50 < c.p50-c.p50/4 || p50-c.p50 > c.p50/4+1 {
			t.Errorf("%+v: half are below %v", c, p50)
		}
	}
}

func TestHistogramQuantiles(t *testing.T) {
	var h Histogram
	c := h.Counts()
	if c.Quantile(0.5) != 0 || c.Total() != 0 {
		t.Errorf("empty: %v", c.Quantile(0.5))
	}
	for i := range 1000 {
		h.Observe(time.Duration(i+1) * time.Millisecond)
	}
	c = h.Counts()
	for _, w := range []struct {
		q    float64
		want time.Duration
	}{{0, time.Millisecond}, {0.5, 500 * time.Millisecond}, {0.99, 990 * time.Millisecond}, {1, time.Second}} {
		if got := c.Quantile(w.q); got < w.want || got > w.want+w.want/4+1 {
			t.Errorf("q %v: %v, want %v or a little above", w.q, got, w.want)
		}
	}
	before := c
	h.Observe(5 * time.Second)
	c = h.Counts().Since(before)
	if got := c.Quantile(0.01); c.Total() != 1 || got < 5*time.Second || got > 6250*time.Millisecond {
		t.Errorf("since then: %v of %d", got, c.Total())
	}
}
