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

// Schema is the version of a Report's JSON. New fields may be added under the same version; existing ones keep their name,
// meaning and unit.
const Schema = "webim-bench/1"

// Report is the result of a run. Exactly one of the results is set. The names in JSON have the units. A figure that was
// not measured is zero, as CPU and memory without a known process.
type Report struct {
	Schema      string     `json:"schema"`
	Scenario    string     `json:"scenario"`
	Label       string     `json:"label,omitempty"`   // the user's name of the server
	LimitedBy   []string   `json:"limited_by_client"` // why the client was the bottleneck; empty if it was not
	Interrupted bool       `json:"interrupted"`       // by Ctrl-C: the figures are of a part of the run
	Notes       []string   `json:"notes"`
	Conditions  Conditions `json:"conditions"`

	Idle    *IdleResult    `json:"idle,omitempty"`
	Flood   []FloodResult  `json:"flood,omitempty"`
	Fanout  *FanoutResult  `json:"fanout,omitempty"`
	Quiet   *QuietResult   `json:"quiet,omitempty"`
	Pair    *PairResult    `json:"pair,omitempty"`
	Storm   *StormResult   `json:"storm,omitempty"`
	Restart *RestartResult `json:"restart,omitempty"`
	Slow    *SlowResult    `json:"slow,omitempty"`
	Big     *BigResult     `json:"big,omitempty"`
	Echo    *EchoResult    `json:"echo,omitempty"`
	Rooms   *RoomsResult   `json:"rooms,omitempty"`
	Rate    *RateResult    `json:"rate,omitempty"`
	Churn   *ChurnResult   `json:"churn,omitempty"`
	Soak    *SoakResult    `json:"soak,omitempty"`
	Million *MillionResult `json:"million,omitempty"`

	Samples []Sample `json:"samples,omitempty"` // at equal intervals in each part of the load; at most 480 per part

	Started int64 `json:"-"` // beginning of the first part, by stat.Now
}

// Conditions are the conditions of a run, without which its figures have no meaning.
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
	ServerVersion string    `json:"server_version,omitempty"` // the output of webim version, or the build information in a Go program
	ServerPID     int       `json:"server_pid"`
	Command       string    `json:"command,omitempty"` // of the measuring program
	Options       any       `json:"options"`           // of the scenario

	Dialect     string `json:"dialect,omitempty"` // empty means plain
	Channel     string `json:"channel,omitempty"` // the room, if it is not the path
	Origin      string `json:"origin,omitempty"`
	Subprotocol string `json:"subprotocol,omitempty"` // the accepted one
	Compressed  bool   `json:"compressed,omitempty"`  // permessage-deflate was agreed on
}

// OwnRooms stores that the scenario names its rooms itself, in the form of pattern.
func (r *Report) OwnRooms(pattern string) {
	if r.Conditions.Dialect != "" {
		r.Conditions.Channel = pattern
	}
}

// version returns the server's version to follow its command line, if it is known.
func (c Conditions) version() string {
	if c.ServerVersion == "" {
		return ""
	}
	return ", " + c.ServerVersion
}

// Terms returns the terms of the handshake as text to follow the URL.
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

// Note adds a note, unless it is there already. It stops after 20 notes, because the parts of a long run repeat
// themselves.
func (r *Report) Note(format string, args ...any) {
	const most = 20
	text := fmt.Sprintf(format, args...)
	if len(r.Notes) < most && !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}

// Limited reports whether the client was the bottleneck, so that the figures say little about the server.
func (r *Report) Limited() bool { return len(r.LimitedBy) > 0 }

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText writes the report as text: problems first, then figures, notes and conditions.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, why := range r.LimitedBy {
		fmt.Fprintf(&b, "THE CLIENT WAS THE LIMIT: %s\n", why)
	}
	if r.Interrupted {
		fmt.Fprintln(&b, "INTERRUPTED: the figures are of a part of the run")
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

// Rows returns the main table; its first row is the head.
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
	case r.Restart != nil:
		return r.Restart.rows()
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

// MoreTables returns the other tables.
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
