package stat

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestHistOnThePipe(t *testing.T) {
	t.Parallel()
	var h, back Hist
	for i := range int64(5000) {
		h.Record(i * i * 1000)
	}
	back.Unpack(h.Pack())
	if !reflect.DeepEqual(h, back) {
		t.Error("another histogram came back")
	}
	back.Unpack(&PackedHist{Buckets: []uint16{65535, 1}, Counts: []uint64{1}})
	if back.Total != h.Total {
		t.Error("a bucket that does not exist was counted")
	}
}

func TestCurve(t *testing.T) {
	var h Hist
	for i := range 1000 {
		h.Record(int64(i+1) * 1e6)
	}
	c := h.Latency().Curve
	if len(c) != 19 || c[0].Q != 0 || c[6].Q != .9 || c[6].MS < 900 || c[6].MS > 915 || c[18].MS < 999 {
		t.Errorf("%v", c)
	}
	if c := (&Hist{}).Latency().Curve; c != nil {
		t.Errorf("of nothing: %v", c)
	}
}

func TestHistAgainstSorting(t *testing.T) {
	var h, half Hist
	var all []int64
	for range 20000 {
		v := int64(rand.ExpFloat64() * 3e6)
		all = append(all, v)
		if v%2 == 0 {
			h.Record(v)
		} else {
			half.Record(v)
		}
	}
	h.Merge(&half)
	slices.Sort(all)
	for _, q := range []float64{.001, .5, .9, .99, .999, 1} {
		want := all[max(0, int(q*float64(len(all))+.999999)-1)]
		if got := h.Quantile(q); got < want || float64(got) > float64(want)*(1+1./64)+1 {
			t.Errorf("quantile %v: %d, want %d", q, got, want)
		}
	}
	if h.Count() != 20000 || h.max != all[len(all)-1] || (&Hist{}).Quantile(.5) != 0 {
		t.Errorf("count %d, max %d", h.Count(), h.max)
	}
	h.Record(-5)
	h.Record(1<<63 - 1)
}

func TestBucketsHoldWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Uint64Range(0, 1<<62).Draw(t, "v")
		i := bucketOf(v)
		if top := uint64(bucketTop(i)); v > top || bucketOf(top) != i || bucketOf(top+1) != i+1 {
			t.Fatalf("%d in bucket %d up to %d", v, i, top)
		}
	})
}
