package report

import (
	"bytes"
	"encoding/json"
	"testing"
)

// A report that is written and read has the same figures, and each field of the schema.
func TestReportRoundTrip(t *testing.T) {
	a := set(10)[0]
	a.Label, a.Samples = "a", []Sample{{At: 1, RSS: 2e6, CPU: .5}}
	a.LimitedBy, a.Notes = []string{}, []string{}
	var b bytes.Buffer
	var back Report
	if err := a.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if json.Unmarshal(b.Bytes(), &back) != nil || json.Unmarshal(b.Bytes(), &fields) != nil {
		t.Fatal(b.String())
	}
	for _, f := range []string{"schema", "scenario", "label", "limited_by_client", "interrupted", "notes", "conditions", "flood", "samples"} {
		if _, ok := fields[f]; !ok {
			t.Errorf("no %s", f)
		}
	}
	sameFigures(t, a, &back)
}

func sameFigures(t *testing.T, a, back *Report) {
	t.Helper()
	x, y := a.Figures(), back.Figures()
	if len(x) == 0 || len(x) != len(y) {
		t.Fatalf("%d figures became %d", len(x), len(y))
	}
	for i := range x {
		if x[i] != y[i] || x[i].Name() == "" {
			t.Errorf("%+v became %+v", x[i], y[i])
		}
	}
}

// Noise does not make memory negative.
func TestSlowIsNotNegative(t *testing.T) {
	r := SlowResult{Without: SlowSide{PSSStart: 10, PSSPeak: 100, PSSEnd: 90}, With: SlowSide{PSSStart: 10, PSSPeak: 50, PSSEnd: 20}}
	if r.Finish(10); r.PeakPerStuck != 0 || r.EndPerStuck != 0 {
		t.Errorf("%+v", r)
	}
	if row := r.rows()[4]; row[7] != "0" || row[8] != "0" {
		t.Errorf("%q", row)
	}
}

// The ratio in a table is that of the medians beside it.
func TestRatiosOfMedians(t *testing.T) {
	r := FanoutResult{Server: FanoutSide{Blocks: []float64{4, 6}, Rounds: []Round{{Last: 2}, {Last: 4}}}, Floor: FanoutSide{Blocks: []float64{1, 3}, Rounds: []Round{{Last: 1}, {Last: 1}}}}
	if r.Finish(); r.CPURatio.Median != r.Server.CPU.Median/r.Floor.CPU.Median || r.CPURatio.Median != 2.5 || r.LastRatio.Median != 3 {
		t.Errorf("%+v", r)
	}
}
