package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Schema names the form of a Report's JSON. Fields may be added under it; what is there keeps its name, meaning and unit.
const Schema = "webim-bench/1"

// Report is what a run says. Exactly one of the results is set. Units are in the JSON names; zero where a thing was not measured, as CPU
// and memory without a PID.
type Report struct {
	Schema      string     `json:"schema"`
	Scenario    string     `json:"scenario"`
	Label       string     `json:"label,omitempty"`   // what the user calls the server
	LimitedBy   []string   `json:"limited_by_client"` // the guard's reasons why the client was the limit; empty: it was not
	Interrupted bool       `json:"interrupted"`       // Ctrl-C: the figures are of a part
	Notes       []string   `json:"notes"`
	Conditions  Conditions `json:"conditions"`

	Idle    *IdleResult    `json:"idle,omitempty"`
	Flood   []FloodResult  `json:"flood,omitempty"`
	Fanout  *FanoutResult  `json:"fanout,omitempty"`
	Quiet   *QuietResult   `json:"quiet,omitempty"`
	Pair    *PairResult    `json:"pair,omitempty"`
	Storm   *StormResult   `json:"storm,omitempty"`
	Slow    *SlowResult    `json:"slow,omitempty"`
	Big     *BigResult     `json:"big,omitempty"`
	Echo    *EchoResult    `json:"echo,omitempty"`
	Rooms   *RoomsResult   `json:"rooms,omitempty"`
	Rate    *RateResult    `json:"rate,omitempty"`
	Churn   *ChurnResult   `json:"churn,omitempty"`
	Soak    *SoakResult    `json:"soak,omitempty"`
	Million *MillionResult `json:"million,omitempty"`

	Samples []Sample `json:"samples,omitempty"` // over the time of the load, evenly in each of its parts; at most 480 of a part

	Started int64 `json:"-"` // when the first part began, by now()
}

// Conditions are what a figure means nothing without.
type Conditions struct {
	Time          time.Time `json:"time"`
	Kernel        string    `json:"kernel"`
	CPU           string    `json:"cpu"`
	Cores         int       `json:"cores"`
	Congestion    string    `json:"congestion_control"`
	Go            string    `json:"go"`
	Commit        string    `json:"commit"`
	URL           string    `json:"url"`
	Server        string    `json:"server"`                   // its command line
	ServerVersion string    `json:"server_version,omitempty"` // what webim says itself, or what is written in a Go program
	ServerPID     int       `json:"server_pid"`
	Command       string    `json:"command,omitempty"` // that measured
	Options       any       `json:"options"`           // the scenario's, as given

	Dialect     string `json:"dialect,omitempty"` // empty: plain
	Channel     string `json:"channel,omitempty"` // the room, where it is not the path
	Origin      string `json:"origin,omitempty"`
	Subprotocol string `json:"subprotocol,omitempty"` // the one that the server took
	Compressed  bool   `json:"compressed,omitempty"`  // permessage-deflate was agreed on
}

// OwnRooms says that the scenario names its rooms itself, of which pattern is one.
func (r *Report) OwnRooms(pattern string) {
	if r.Conditions.Dialect != "" {
		r.Conditions.Channel = pattern
	}
}

// version is the server's, if it is known, to follow its command line.
func (c Conditions) version() string {
	if c.ServerVersion == "" {
		return ""
	}
	return ", " + c.ServerVersion
}

// Terms says what the handshake agreed on, if anything.
func (c Conditions) Terms() (text string) {
	if c.Dialect != "" {
		text += ", " + c.Dialect + " channel " + c.Channel
	}
	if c.Compressed {
		text += ", permessage-deflate"
	}
	if c.Subprotocol != "" {
		text += ", subprotocol " + c.Subprotocol
	}
	if c.Origin != "" {
		text += ", origin " + c.Origin
	}
	return text
}

// Note adds a remark, once; the parts of a long run repeat themselves, so there is an end to it.
func (r *Report) Note(format string, args ...any) {
	const most = 20
	text := fmt.Sprintf(format, args...)
	if len(r.Notes) < most && !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// Limited reports whether the client was the limit, so that the figures say little about the server.
func (r *Report) Limited() bool { return len(r.LimitedBy) > 0 }

// WriteJSON writes the report for machines.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report for people: what is wrong with it first, then figures, notes, conditions.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, why := range r.LimitedBy {
		fmt.Fprintf(&b, "THE CLIENT WAS THE LIMIT: %s\n", why)
	}
	if r.Interrupted {
		fmt.Fprintln(&b, "INTERRUPTED: the figures are of what was done until then")
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range r.Rows() {
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	tw.Flush()
	for _, more := range r.MoreTables() {
		for _, row := range more {
			fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
		}
		tw.Flush()
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	c := r.Conditions
	fmt.Fprintf(&b, "%s %+v on %s%s (pid %d: %s%s)\n", r.Scenario, c.Options, c.URL, c.Terms(), c.ServerPID, c.Server, c.version())
	fmt.Fprintf(&b, "Linux %s, %d cores (%s), %s, %s, commit %s, %s\n", c.Kernel, c.Cores, c.CPU, c.Congestion, c.Go, c.Commit, c.Time.Format(time.RFC3339))
	_, err := w.Write(b.Bytes())
	return err
}

// Rows is the table: a head and a line for each figure or step.
func (r *Report) Rows() [][]string {
	switch {
	case r.Idle != nil:
		return r.Idle.rows()
	case r.Flood != nil:
		return floodRows(r.Flood)
	case r.Fanout != nil:
		return r.Fanout.rows()
	case r.Quiet != nil:
		return r.Quiet.rows()
	case r.Pair != nil:
		return r.Pair.rows()
	case r.Storm != nil:
		return r.Storm.rows()
	case r.Slow != nil:
		return r.Slow.rows()
	case r.Big != nil:
		return r.Big.rows()
	case r.Echo != nil:
		return r.Echo.rows()
	case r.Rooms != nil:
		return r.Rooms.rows()
	case r.Rate != nil:
		return r.Rate.rows()
	case r.Churn != nil:
		return r.Churn.rows()
	case r.Soak != nil:
		return r.Soak.rows()
	case r.Million != nil:
		return r.Million.rows()
	}
	return nil
}

// MoreTables is further tables.
func (r *Report) MoreTables() [][][]string {
	switch {
	case r.Idle != nil && r.Idle.Hold != nil:
		return [][][]string{r.Idle.Hold.rows()}
	case r.Million != nil:
		return r.Million.tables()
	case r.Storm != nil:
		if rows := r.Storm.trafficRows(); rows != nil {
			return [][][]string{rows}
		}
	case r.Churn != nil:
		return [][][]string{r.Churn.Transients.rows(), r.Churn.Drift.rows()}
	case r.Soak != nil:
		return [][][]string{r.Soak.Transients.rows(), r.Soak.Drift.rows()}
	}
	return nil
}
