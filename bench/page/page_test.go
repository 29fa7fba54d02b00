package page

import (
	"bytes"
	"encoding/xml"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"webim/bench/report"
	"webim/bench/stat"
)

// fakeFlood returns a report with invented figures.
func fakeFlood(label string, factor float64, counts ...int) *report.Report {
	r := &report.Report{Schema: report.Schema, Scenario: "flood", Label: label, Conditions: report.Conditions{Server: "/bin/x", Options: map[string]int{"Clients": 20}}}
	for i, n := range counts {
		var h stat.Hist
		for j := range n {
			h.Record(int64(factor * 1e6 * float64(1+j%100)))
		}
		r.Flood = append(r.Flood, report.FloodResult{Rate: float64(100 * (i + 1)), Latency: h.Latency(), CPU: factor, PerSecond: 1000})
		r.Samples = append(r.Samples, report.Sample{At: float64(i), RSS: 1e6 * int64(i), CPU: factor})
	}
	return r
}

// Each chart is well-formed and has valid numbers only, for any figures.
func TestChartsAreWellFormed(t *testing.T) {
	for name, reports := range map[string][]*report.Report{
		"one":          {fakeFlood("a", 1, 1000, 100000)},
		"compared":     {fakeFlood("<a>&", 1, 1000), fakeFlood("b", 20, 1000), fakeFlood("c", 1e-9, 10)},
		"many lines":   {fakeFlood("a", rand.Float64(), 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)},
		"one message":  {fakeFlood("a", 1, 1)},
		"no message":   {fakeFlood("a", 0, 0, 0)},
		"no results":   {{Scenario: "flood"}, {Scenario: "idle"}},
		"huge":         {fakeFlood("a", 1e9, 5, 7)},
		"a duel":       {{Scenario: "fanout", Fanout: &report.FanoutResult{Server: report.FanoutSide{Median: stat.Spread{Median: 2, Min: 1, Max: 3}}, Floor: report.FanoutSide{Median: stat.Spread{Median: 1, Min: 1, Max: 1}}}}},
		"rooms":        {{Scenario: "rooms", Rooms: &report.RoomsResult{Steps: []report.RoomsStep{{Members: 5}, {Members: 20, Rate: 100, Floor: &report.RoomsSide{}, CPURatio: stat.Spread{Median: 2, Min: 1, Max: 3}}}}}},
		"without load": {{Scenario: "idle", Idle: &report.IdleResult{Steps: []report.IdleStep{{Clients: 1, PerSec: 5}, {Clients: 2, PerSec: 6}}}}},
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
