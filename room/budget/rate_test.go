package budget

import (
	"math"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBucket compares a bucket with an oracle that counts fractions of units.
func TestBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{rapid.IntRange(1, 50).Draw(t, "n"), time.Duration(rapid.IntRange(1, 1000).Draw(t, "ms")) * time.Millisecond}
		var b Bucket
		whole := int64(r.N) * int64(r.Per) // one unit is r.Per
		now, units := int64(0), whole
		step := int64(r.Per) / int64(r.N)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			wait := rapid.Int64Range(0, 3*step).Draw(t, "wait")
			now += wait
			units = min(units+wait*int64(r.N), whole)
			n := rapid.IntRange(1, 3).Draw(t, "units")
			// A division with a remainder makes the bucket faster by a nanosecond each time: at
			// the edge both answers are right.
			rest := int64(r.N) * int64(r.N) * 600
			if debt := int64(b.Debt(r, now)); debt > 0 && units > rest || debt == 0 && units < -rest {
				t.Fatalf("%v at %d with %d of %d: debt %d", r, now, units, whole, debt)
			}
			switch want := int64(n) * int64(r.Per); rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				b.Charge(r, n, now)
				units -= want
			case 1:
				if b.Spend(r, n, now) {
					units -= want
				} else if units > rest {
					t.Fatalf("%v at %d with %d of %d: refused", r, now, units, whole)
				}
			default:
				got := b.Take(r, n, now)
				if got && units < want-rest || !got && units >= want+rest {
					t.Fatalf("%v at %d with %d of %d: %d taken: %v", r, now, units, whole, n, got)
				}
				if got {
					units -= want
				}
			}
		}
	})
}

func TestBucketWithoutABound(t *testing.T) {
	var b Bucket
	b.Charge(Unlimited, math.MaxInt, 0)
	if !b.Take(Unlimited, math.MaxInt, 0) || !b.Spend(Unlimited, 1, 0) || b.Debt(Unlimited, 0) != 0 || b.Used(Unlimited, 0) != 0 {
		t.Error("an unlimited rate refuses")
	}
}

// No cost, however large or often charged, overflows into a bucket with room.
func TestBucketDoesNotOverflow(t *testing.T) {
	r := Rate{1, time.Hour}
	var b Bucket
	for range 1000 {
		b.Charge(r, math.MaxInt, 1)
		if b.Debt(r, 1) <= 0 || b.Take(r, 1, 1) || b.Spend(r, 1, 1) {
			t.Fatal("a debt overflowed")
		}
	}
	if r := (Rate{1 << 40, time.Hour}); r.price(math.MaxInt) <= 0 {
		t.Error("a price overflows")
	}
}

func TestBucketChargesEverything(t *testing.T) {
	r := Rate{1000, time.Hour}
	var b Bucket
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				b.Charge(r, 1, 0)
			}
		})
	}
	wg.Wait()
	if got := b.Used(r, 0); got != 1600 {
		t.Errorf("%d units are missing of 1600 that were charged", got)
	}
	if got := b.Debt(r, 0); got.Round(time.Second) != 36*time.Minute {
		t.Errorf("the debt is %v", got)
	}
}

// TestRescale checks that a bucket keeps its level, as a part of the rate, when the rate changes, and that a debt stays a debt.
func TestRescale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := func(name string) Rate {
			return Rate{rapid.IntRange(1, 50).Draw(t, name), time.Duration(rapid.IntRange(1, 1_000_000).Draw(t, name+" ms")) * time.Millisecond}
		}
		old, next, now := rate("old"), rate("next"), rapid.Int64Range(0, int64(time.Hour)).Draw(t, "now")
		var b Bucket
		b.Charge(old, rapid.IntRange(0, 100).Draw(t, "units"), now)
		missing := max(0, float64(b.Full()-now))
		want := min(missing/float64(old.Per), max(1, missing/float64(next.Per)))
		b.Rescale(old, Unlimited, now)
		b.Rescale(Unlimited, old, now)
		b.Rescale(old, next, now)
		if after := max(0, float64(b.Full()-now)) / float64(next.Per); math.Abs(after-want) > 1e-5 {
			t.Fatalf("from %v to %v: %v of it is used, want %v", old, next, after, want)
		}
	})
	var b Bucket
	slow, fast := Rate{1, time.Hour}, Rate{1, time.Nanosecond}
	b.Charge(fast, math.MaxInt, 0)
	before := b.Full()
	if b.Rescale(fast, slow, 0); b.Full() < 0 || b.Full() > before {
		t.Errorf("a debt of %d becomes %d", before, b.Full())
	}
	var c Bucket
	quick, long := Rate{10, time.Second}, Rate{10, time.Minute}
	c.Charge(long, 10, 0) // it came when the new rate was in force, and before the bucket was rescaled
	if c.Rescale(quick, long, 0); !c.Take(long, 1, int64(6*time.Second)) {
		t.Errorf("the client waits for %v", time.Duration(c.Full()))
	}
}
