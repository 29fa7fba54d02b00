package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// fakeFlood is a report with figures that were never measured.
func fakeFlood(label string, factor float64, counts ...int) *Report {
	r := &Report{Schema: Schema, Scenario: "flood", Label: label, Conditions: Conditions{Server: "/bin/x", Options: small}}
	for i, n := range counts {
		var h Hist
		for j := range n {
			h.Record(int64(factor * 1e6 * float64(1+j%100)))
		}
		r.Flood = append(r.Flood, FloodResult{Rate: float64(100 * (i + 1)), Latency: h.Latency(), CPU: factor, PerSecond: 1000})
		r.Samples = append(r.Samples, Sample{At: float64(i), RSS: 1e6 * int64(i), CPU: factor})
	}
	return r
}

// Whatever the figures are, each chart is well-formed and has no number that is none.
func TestChartsAreWellFormed(t *testing.T) {
	for name, reports := range map[string][]*Report{
		"one":          {fakeFlood("a", 1, 1000, 100000)},
		"compared":     {fakeFlood("<a>&", 1, 1000), fakeFlood("b", 20, 1000), fakeFlood("c", 1e-9, 10)},
		"many lines":   {fakeFlood("a", rand.Float64(), 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)},
		"one message":  {fakeFlood("a", 1, 1)},
		"no message":   {fakeFlood("a", 0, 0, 0)},
		"no results":   {{Scenario: "flood"}, {Scenario: "idle"}},
		"huge":         {fakeFlood("a", 1e9, 5, 7)},
		"a duel":       {{Scenario: "fanout", Fanout: &FanoutResult{Server: FanoutSide{Median: Spread{2, 1, 3}}, Floor: FanoutSide{Median: Spread{1, 1, 1}}}}},
		"rooms":        {{Scenario: "rooms", Rooms: &RoomsResult{Steps: []RoomsStep{{Members: 5}, {Members: 20, Rate: 100, Floor: &RoomsSide{}, CPURatio: Spread{2, 1, 3}}}}}},
		"without load": {{Scenario: "idle", Idle: &IdleResult{Steps: []IdleStep{{Clients: 1, PerSec: 5}, {Clients: 2, PerSec: 6}}}}},
	} {
		var b bytes.Buffer
		if err := WriteHTML(&b, reports); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := b.String()
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "<a>") || strings.Contains(text, "://") || strings.Contains(text, "<script") {
			t.Errorf("%s: a number that is none, text that is not escaped, or something to load", name)
		}
		for _, part := range strings.Split(text, "<svg")[1:] {
			d := xml.NewDecoder(strings.NewReader("<svg" + part[:strings.Index(part, "</svg>")+6]))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("%s: %v in %s", name, err, part)
				}
			}
		}
	}
	if WriteHTML(io.Discard, nil) == nil {
		t.Error("no reports: no error")
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

// A report of each scenario that is written and read has the same figures, and each field of the schema.
func TestReportComesBack(t *testing.T) {
	a := fakeFlood("a", 1, 1000)
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

// Reports of rooms can be compared: their figures come back, and more messages a second are better.
func TestRoomsCanBeCompared(t *testing.T) {
	report := func(perSecond float64) *Report {
		one := Spread{perSecond, perSecond, perSecond}
		step := RoomsStep{Members: 5, PerRoom: 300, CPURatio: Spread{2, 1, 3}, Server: RoomsSide{Messages: one, Deliveries: one, PerMessage: Spread{7, 7, 7}, Latency: Latency{P50: 1, P99: 2}}}
		return &Report{Schema: Schema, Scenario: "rooms", Rooms: &RoomsResult{Steps: []RoomsStep{step}}}
	}
	var b bytes.Buffer
	var back Report
	if err := report(10).WriteJSON(&b); err != nil || json.Unmarshal(b.Bytes(), &back) != nil {
		t.Fatal(err, b.String())
	}
	sameFigures(t, report(10), &back)
	c, err := Compare([]*Report{report(10), report(11), report(12)}, []*Report{report(20), report(21), report(22)}, .05)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range c.Changes {
		if want := strings.HasSuffix(x.Name, "a second"); (x.Verdict == Better) != want {
			t.Errorf("%+v", x)
		}
	}
}
