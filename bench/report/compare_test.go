package report

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"webim/bench/stat"
)

// set returns runs of a flood with the given p99. All other figures are equal.
func set(p99 ...float64) (all []*Report) {
	for _, v := range p99 {
		all = append(all, &Report{Schema: Schema, Scenario: "flood", Flood: []FloodResult{{Rate: 300, PerSecond: 1000, Latency: stat.Latency{P50: 1, P99: v, Max: 2 * v}}}})
	}
	return all
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []float64
		want          string
	}{
		{"nothing", []float64{10, 11, 12}, []float64{10, 11, 12}, Same},
		{"overlap", []float64{10, 11, 20}, []float64{19, 30, 40}, Same},
		{"touch", []float64{10, 11, 20}, []float64{20, 30, 40}, Same},
		{"worse", []float64{10, 11, 12}, []float64{13, 14, 15}, Worse},
		{"better", []float64{10, 11, 12}, []float64{5, 6, 9.9}, Better},
		{"apart, but by little", []float64{10, 10, 10}, []float64{10.4, 10.4, 10.4}, Same},
	} {
		all, err := Compare(set(c.before...), set(c.after...), .05)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]Change{}
		for _, x := range all.Changes {
			got[x.Name] = x
		}
		x := got["300 msg/s: p99, ms"]
		if x.Verdict != c.want || x.Before.Min != c.before[0] || x.After.Max != c.after[2] || got["300 msg/s: p50, ms"].Verdict != Same || all.Worse() != (c.want == Worse) {
			t.Errorf("%s: %+v", c.name, all.Changes)
		}
		if len(all.Warnings) != 0 {
			t.Errorf("%s: %q", c.name, all.Warnings)
		}
	}
}

func TestVerdictDirectionAndZero(t *testing.T) {
	one := func(v float64) stat.Spread { return stat.Spread{Median: v, Min: v, Max: v} }
	if verdict(one(10), one(20), .05, true) != Better || verdict(one(20), one(10), .05, true) != Worse {
		t.Error("more is better")
	}
	if verdict(one(0), one(1), .05, false) != Worse || verdict(one(3), one(0), .05, false) != Better || verdict(one(0), one(0), .05, false) != Same {
		t.Error("losses")
	}
	if !math.IsInf(percent(0, 1), 1) || percent(0, 0) != 0 || percent(4, 3) != -25 {
		t.Error("percent")
	}
}

// A single run with repetitions has a spread of its own. Different conditions cause warnings.
func TestCompareSingleRunsAndConditions(t *testing.T) {
	storm := func(s stat.Spread, kernel string) []*Report {
		return []*Report{{Schema: Schema, Scenario: "storm", Storm: &StormResult{Seconds: s}, Conditions: Conditions{Kernel: kernel}, LimitedBy: []string{"x"}}}
	}
	all, err := Compare(storm(stat.Spread{Median: 2, Min: 1, Max: 3}, "6.1"), storm(stat.Spread{Median: 4, Min: 2.9, Max: 5}, "6.2"), .05)
	if err != nil || len(all.Changes) != 1 || all.Changes[0].Verdict != Same {
		t.Fatalf("%v %+v", err, all)
	}
	text := strings.Join(all.Warnings, "\n")
	for _, want := range []string{"--runs 3", "kernels", "the client was the limit"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	if _, err := Compare(storm(stat.Spread{Median: 1, Min: 1, Max: 1}, ""), set(1), .05); err == nil {
		t.Error("two scenarios: no error")
	}
	other := set(1)
	other[0].Flood[0].Rate = 7
	if _, err := Compare(set(1), other, .05); err == nil {
		t.Error("nothing in common: no error")
	}
}

func TestReadReports(t *testing.T) {
	name := filepath.Join(t.TempDir(), "runs.json")
	var b bytes.Buffer
	for _, r := range set(1, 2, 3) {
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{b.String(): "", "": "not a report", "{}": "schema", b.String() + "x": "not a report", `{"schema":"webim-bench/0"}`: "measure again"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		all, err := ReadReports(name)
		if want == "" && (err != nil || len(all) != 3 || all[2].Flood[0].Latency.P99 != 3) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: %v, %v", text, all, err)
		}
	}
	var text strings.Builder
	all, err := Compare(set(1, 2, 3), set(10, 11, 12), .05)
	if err != nil || all.WriteText(&text) != nil || !strings.Contains(text.String(), "+450.0 %") || !strings.Contains(text.String(), "worse") {
		t.Errorf("%v\n%s", err, &text)
	}
}
