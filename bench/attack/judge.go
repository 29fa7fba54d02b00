package attack

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"webim/bench/load"
)

// The limits of the musts, in addition to Options.MemorySlack.
const (
	p99Base   = 20.0 // milliseconds, and
	p99Factor = 2    // times the bystander's p99 without the attack
	fdSlack   = 4    // open files
)

// Result is the outcome of one attack. The server's figures are zero if its process is unknown.
type Result struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Skipped string `json:"skipped,omitempty"` // why the attack does not apply to the server
	Died    string `json:"died,omitempty"`    // the server's last output, if it ended

	Attacker  AttackerCost `json:"attacker"`
	Server    ServerCost   `json:"server"`
	Bystander Beside       `json:"bystander"`

	Attempts int `json:"attempts"` // the number of attempts; this is the last one

	Failed []string `json:"failed"` // the musts that do not hold, in one sentence each
	Notes  []string `json:"notes,omitempty"`

	From    float64     `json:"attack_from_s"` // the attack's window, in seconds of the picture
	To      float64     `json:"attack_to_s"`
	Samples []Sample    `json:"samples"`
	late    bool        // the p99 failed
	Trips   [][]float64 `json:"trips"` // of each of the bystander's messages: due time in seconds, and latency in milliseconds; -1 means lost
}

// AttackerCost is the attacker's effort.
type AttackerCost struct {
	Sent     int64          `json:"sent_bytes"`
	Received int64          `json:"received_bytes"`
	Dialed   int64          `json:"connections"`
	Open     int            `json:"connections_open_at_most"`
	CPU      float64        `json:"cores"`    // of the lab's process, without the bystander's
	Said     map[string]int `json:"refusals"` // refusals and failures, by their text
}

// ServerCost is the attack's cost to the server.
type ServerCost struct {
	Known      bool    `json:"known"`
	CPUBefore  float64 `json:"cores_before"` // while the bystander was alone
	CPU        float64 `json:"cores"`        // during the attack
	RSSBefore  int64   `json:"rss_bytes_before"`
	RSSPeak    int64   `json:"rss_bytes_peak"`
	RSSAfter   int64   `json:"rss_bytes_after"`
	FDsBefore  int     `json:"fds_before"`
	FDsPeak    int     `json:"fds_peak"`
	FDsAfter   int     `json:"fds_after"`
	ReturnedIn float64 `json:"returned_in_s"` // after the attack's end, until memory and files were back; the whole recovery if they never were
}

// Beside is the attack's effect on the bystander.
type Beside struct {
	Before  float64  `json:"p99_ms_before"`
	During  float64  `json:"p99_ms"`
	Longest float64  `json:"longest_ms"` // during the attack and the recovery
	Sent    int      `json:"sent"`       // in all phases
	Lost    int      `json:"lost"`
	Lag     float64  `json:"sender_lag_p99_ms"` // how late the bystander's own thread woke: a part of the latency that is not the server's
	Gone    bool     `json:"gone"`              // the server closed its connection
	Fault   string   `json:"fault,omitempty"`   // how its process ended before the lab stopped it; then nothing else is known of it
	Refused []string `json:"refused,omitempty"`
}

// judge fills in the bystander's part from its messages and determines the musts that do not hold. Times are those of stat.Now.
func (r *Result) judge(o Options, trips []load.Trip, start, from, to int64) {
	var before, during []float64
	b := &r.Bystander
	b.Sent = len(trips)
	for _, t := range trips {
		took := -1.0
		if t.Back == 0 {
			b.Lost++
		} else {
			took = float64(t.Back-t.Due) / 1e6
			switch {
			case t.Due < from:
				before = append(before, took)
			case t.Due < to:
				during = append(during, took)
			}
			if t.Due >= from {
				b.Longest = max(b.Longest, took)
			}
		}
		r.Trips = append(r.Trips, []float64{float64(t.Due-start) / 1e9, took})
	}
	b.Before, b.During = p99(before), p99(during)
	if r.Skipped == "" {
		r.Failed = r.musts(o, len(during))
	}
}

// musts returns a sentence for each must that does not hold.
func (r *Result) musts(o Options, during int) (failed []string) {
	fail := func(format string, args ...any) { failed = append(failed, fmt.Sprintf(format, args...)) }
	if r.Died != "" {
		fail("the server ended during the attack")
	}
	if b := r.Bystander; b.Fault != "" || b.Gone || b.Lost > 0 || during == 0 {
		switch {
		case b.Fault != "":
			fail("the bystander was not measured: %s", b.Fault)
		case b.Gone:
			fail("the bystander lost its connection, and %d of %d messages%s", b.Lost, b.Sent, strings.Join(append([]string{""}, b.Refused...), "; "))
		case b.Lost > 0:
			fail("the bystander lost %d of %d messages%s", b.Lost, b.Sent, strings.Join(append([]string{""}, b.Refused...), "; "))
		default:
			fail("the bystander got no message during the attack")
		}
	}
	if bound := p99Base + p99Factor*r.Bystander.Before; o.Latency && r.Bystander.During > bound {
		r.late = true
		fail("the bystander's p99 was %.1f ms, which is more than 20 ms + 2 × %.1f ms", r.Bystander.During, r.Bystander.Before)
	}
	s := r.Server
	if !s.Known || r.Died != "" {
		return failed
	}
	if s.RSSAfter > s.RSSBefore+o.MemorySlack {
		fail("%s after the attack the server has %s of memory, %s more than before", o.Recovery, mb(s.RSSAfter), mb(s.RSSAfter-s.RSSBefore))
	}
	if s.FDsAfter > s.FDsBefore+fdSlack {
		fail("%s after the attack the server has %d files open, %d more than before", o.Recovery, s.FDsAfter, s.FDsAfter-s.FDsBefore)
	}
	return failed
}

// returned reports whether memory and files have returned.
func (s ServerCost) returned(o Options) bool {
	return s.RSSAfter <= s.RSSBefore+o.MemorySlack && s.FDsAfter <= s.FDsBefore+fdSlack
}

// p99 returns the smallest value that 99 of 100 do not exceed, or 0 if v is empty.
func p99(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[int(math.Ceil(.99*float64(len(v))))-1]
}

func mb(bytes int64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/1e6) }
