package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"webim/bench/stat"
)

// Reports of rooms can be compared: reading returns the same figures, and more messages per second are better.
func TestRoomsCanBeCompared(t *testing.T) {
	report := func(perSecond float64) *Report {
		one := stat.Spread{Median: perSecond, Min: perSecond, Max: perSecond}
		step := RoomsStep{Members: 5, PerRoom: 300, CPURatio: stat.Spread{Median: 2, Min: 1, Max: 3}, Server: RoomsSide{Messages: one, Deliveries: one, PerMessage: stat.Spread{Median: 7, Min: 7, Max: 7}, Latency: stat.Latency{P50: 1, P99: 2}}}
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
