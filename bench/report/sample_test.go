package report

import (
	"testing"
)

func TestThinnedAndDrift(t *testing.T) {
	var all []Sample
	for i := range 12 {
		all = append(all, Sample{At: float64(10 * i), RSS: int64(100 * i), P99: float64(i % 2), CPU: float64(i % 2)})
	}
	if d := DriftsOf(all); d.RSS.PerHour != 10*3600 || d.RSS.First != 150 || d.FDs.PerHour != 0 {
		t.Errorf("%+v", d)
	}
	half := Thinned(all)
	if len(half) != 6 || half[5].At != 110 || half[0].P99 != 1 || half[0].CPU != .5 {
		t.Errorf("%+v", half)
	}
	if d := DriftsOf(half[:2]); d != (Drifts{}) {
		t.Errorf("of two samples: %+v", d)
	}
}
