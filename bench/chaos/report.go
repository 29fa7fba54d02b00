package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"webim/bench/audit"
)

// Report is the result of a run.
type Report struct {
	Seed       uint64            `json:"seed"`
	Dir        string            `json:"dir"` // "" if it was removed
	Options    Options           `json:"options"`
	Faults     []Fault           `json:"faults"`
	Started    time.Duration     `json:"started"`   // the processes took so long to start
	CaughtUp   time.Duration     `json:"caught_up"` // from the end of the faults until everybody had everything
	Tally      audit.Tally       `json:"tally"`
	Dropped    int               `json:"dropped"` // publications that the relays have lost
	Bans       []audit.Ban       `json:"bans"`
	Ended      map[string]int    `json:"ended"` // how often processes ended by themselves
	Violations []audit.Violation `json:"violations"`
	Notes      []string          `json:"notes,omitempty"`

	run *audit.Run
}

// Holds reports whether nothing was violated.
func (r *Report) Holds() bool { return len(r.Violations) == 0 }

// verdict reads the logs from all nodes, and checks the record.
func (l *lab) verdict(ctx context.Context, r *Report) error {
	run := &audit.Run{Bans: l.bans, Bound: l.opts.Bound}
	for i := range l.opts.Rooms {
		for n := range nodes {
			h, err := l.wholeLog(ctx, n, l.room(i))
			if err != nil {
				return fmt.Errorf("reading the log of room %s from node %d: %w", l.room(i), n, err)
			}
			run.Logs = append(run.Logs, audit.Log{Room: l.room(i), Node: n, Epoch: h.Epoch, Entries: h.seen()})
		}
	}
	for _, m := range l.members {
		settled(&m.record)
		m.record.Settled = !l.isBanned(m.record.User)
		run.Clients = append(run.Clients, m.record)
	}
	r.run, r.Bans, r.Violations, r.Tally = run, l.bans, audit.Check(run), audit.Count(run)
	r.Ended = map[string]int{}
	for i := range nodes {
		l.count(r, l.nodes[i].process)
		for _, link := range l.links[i] {
			r.Dropped += link.Dropped()
		}
	}
	for i := range servers {
		l.count(r, l.servers[i].process)
	}
	return l.failed
}

// settled removes the last events of a record, with which the client has left at the end of the run.
func settled(c *audit.Client) {
	for n := len(c.Events); n > 0 && c.Events[n-1].Kind == audit.Left; n-- {
		c.Events = c.Events[:n-1]
	}
}

// count counts how often a process ended by itself. A panic is a violation.
func (l *lab) count(r *Report, p *process) {
	ended, crash := p.state()
	if ended > 0 {
		r.Ended[p.name] = ended
	}
	if crash != "" {
		r.Violations = append(r.Violations, audit.Violation{Rule: "crash", Text: crash})
	}
}

// maxShown is the number of violations in the text of a report. The record has all.
const maxShown = 40

// WriteText writes the report for people.
func (r *Report) WriteText(w io.Writer) error {
	out := &printer{w: w}
	out.line("chaos: seed %d, %v, %d clients in %d rooms, three webim processes and three NATS servers", r.Seed, r.Options.For, r.Options.Clients, r.Options.Rooms)
	for _, note := range r.Notes {
		out.line("%s", note)
	}
	for _, kind := range Kinds {
		if n := len(slices.DeleteFunc(slices.Clone(r.Faults), func(f Fault) bool { return f.Kind != kind })); n > 0 {
			out.line("  %3d x %s", n, kind)
		}
	}
	t := r.Tally
	out.line("messages   %d sent: %d acknowledged, %d refused, %d of unknown outcome; %d stored", t.Sent, t.Acked, t.Refused, t.Unknown, t.Stored)
	out.line("received   %d publications; %d on the way were dropped; %d reads", t.Received, r.Dropped, t.Read)
	out.line("joined     %d times: %d recovered, %d were told that they could not", t.Joined, t.Recovered, t.Lost)
	out.line("bans       %d, each confirmed while faults went on", len(r.Bans))
	out.line("caught up  %v after the last fault", r.CaughtUp.Round(100*time.Millisecond))
	for name, n := range r.Ended {
		out.line("%s ended by itself %d times, and was started again", name, n)
	}
	for i, v := range r.Violations {
		if i == maxShown {
			out.line("and %d more", len(r.Violations)-i)
			break
		}
		out.line("VIOLATED   %s", v)
	}
	if r.Holds() {
		out.line("verdict    nothing was violated")
	} else {
		out.line("verdict    %d violations; the record and the logs are in %s", len(r.Violations), r.Dir)
	}
	out.line("again      %s", r.command())
	return out.err
}

// command returns the command that repeats the run: other flags would make other faults of the same seed.
func (r *Report) command() string {
	o := &r.Options
	text := fmt.Sprintf("webim-bench chaos --seed %d --for %v --clients %d --rooms %d --rate %g", r.Seed, o.For, o.Clients, o.Rooms, o.Rate)
	switch {
	case len(o.Only) == 0:
		text += " --only none"
	case !slices.Equal(o.Only, Kinds):
		text += " --only " + strings.Join(o.Only, ",")
	}
	return text
}

// printer writes lines until an error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// forget removes the whole folder if nothing was violated and nobody asked for it; otherwise it removes only the stores and secrets.
func (r *Report) forget(keep bool) {
	if !keep && r.run != nil && r.Holds() {
		_ = os.RemoveAll(r.Dir)
		r.Dir = ""
		return
	}
	for name, what := range map[string]any{"report.json": r, "record.json": r.run} {
		if text, err := json.MarshalIndent(what, "", " "); err == nil {
			_ = os.WriteFile(filepath.Join(r.Dir, name), text, 0o600)
		}
	}
	for _, pattern := range []string{"nats-*/store", "webim-*/key", "webim-*/secret"} {
		all, _ := filepath.Glob(filepath.Join(r.Dir, pattern)) // fails only for a bad pattern
		for _, name := range all {
			_ = os.RemoveAll(name)
		}
	}
}
