package attack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"webim/bench/page"
	"webim/bench/report"
)

// Schema names the form of a Report's JSON. New versions may add fields under the same name; existing fields keep their name, meaning and
// unit.
const Schema = "webim-bench-attack/1"

// Report has the results of all attacks.
type Report struct {
	Schema      string            `json:"schema"`
	Label       string            `json:"label,omitempty"`
	Interrupted bool              `json:"interrupted"`
	Limit       uint64            `json:"memory_limit_bytes"` // RLIMIT_DATA of the server; 0: none
	Options     Options           `json:"options"`
	Conditions  report.Conditions `json:"conditions"`
	Attacks     []Result          `json:"attacks"`
}

// Holds reports whether all musts hold.
func (r *Report) Holds() bool {
	return !slices.ContainsFunc(r.Attacks, func(a Result) bool { return len(a.Failed) > 0 })
}

// Verdict returns the report in one line.
func (r *Report) Verdict() string {
	var failed []string
	run := 0
	for _, a := range r.Attacks {
		if a.Skipped == "" {
			run++
		}
		if len(a.Failed) > 0 {
			failed = append(failed, a.Name)
		}
	}
	if len(failed) > 0 {
		return fmt.Sprintf("THE MUSTS DO NOT HOLD in %d of %d attacks: %s", len(failed), run, strings.Join(failed, ", "))
	}
	return fmt.Sprintf("THE MUSTS HOLD in all of %d attacks", run)
}

// WriteJSON writes the report for machines.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// WriteText writes the verdict, a table, and remarks.
func (r *Report) WriteText(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintln(&b, r.Verdict())
	if r.Interrupted {
		fmt.Fprintln(&b, "INTERRUPTED: the attacks that are missing were not run")
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range r.rows() {
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	tw.Flush()
	for _, n := range r.remarks() {
		fmt.Fprintln(&b, n)
	}
	c := r.Conditions
	fmt.Fprintf(&b, "%s (pid %d: %s), memory limit %s\n", c.URL, c.ServerPID, c.Server, r.limit())
	fmt.Fprintf(&b, "Linux %s, %d cores (%s), %s, commit %s, %s\n", c.Kernel, c.Cores, c.CPU, c.Go, c.Commit, c.Time.Format(time.RFC3339))
	_, err := w.Write(b.Bytes())
	return err
}

// WriteMarkdown writes the table for a document.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	for i, row := range r.rows() {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(row)))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Report) limit() string {
	if r.Limit == 0 {
		return "none"
	}
	return fmt.Sprintf("RLIMIT_DATA of %d MiB", r.Limit>>20)
}

// head names the columns; sent and received are the attacker's bytes.
var head = []string{"attack", "musts", "lost", "p99 ms before", "p99 ms", "longest ms", "sent MB", "received MB", "connections", "attacker cores", "server cores before", "server cores", "RSS MB before", "peak", "after", "fds before", "peak", "after"}

func (r *Report) rows() [][]string {
	rows := [][]string{head}
	for _, a := range r.Attacks {
		rows = append(rows, a.row())
	}
	return rows
}

func (a *Result) row() []string {
	state := "hold"
	switch {
	case a.Died != "":
		state = "died"
	case len(a.Failed) > 0:
		state = "fail"
	case a.Skipped != "":
		state = "skipped"
	}
	f := func(v float64) string { return fmt.Sprintf("%.1f", v) }
	m := func(bytes int64) string { return f(float64(bytes) / 1e6) }
	b, c, s := a.Bystander, a.Attacker, a.Server
	lost := fmt.Sprintf("%d/%d", b.Lost, b.Sent)
	if b.Gone {
		lost += " gone"
	}
	row := []string{a.Name, state, lost, f(b.Before), f(b.During), f(b.Longest), m(c.Sent), m(c.Received), fmt.Sprint(c.Dialed), fmt.Sprintf("%.2f", c.CPU)}
	if !s.Known {
		return append(row, slices.Repeat([]string{"not known"}, len(head)-len(row))...)
	}
	return append(row, fmt.Sprintf("%.2f", s.CPUBefore), fmt.Sprintf("%.2f", s.CPU), m(s.RSSBefore), m(s.RSSPeak), m(s.RSSAfter),
		fmt.Sprint(s.FDsBefore), fmt.Sprint(s.FDsPeak), fmt.Sprint(s.FDsAfter))
}

// line returns the result in one line, to print while further attacks run.
func (a *Result) line() string {
	if len(a.Failed) == 0 {
		return fmt.Sprintf("%-24s %s", a.Name, a.row()[1])
	}
	return fmt.Sprintf("%-24s %s: %s", a.Name, a.row()[1], strings.Join(a.Failed, "; "))
}

// remarks returns a sentence for each must that does not hold and each skipped attack, and the reservations about the figures.
func (r *Report) remarks() (all []string) {
	known := true
	for _, a := range r.Attacks {
		for _, why := range a.Failed {
			all = append(all, fmt.Sprintf("%s: %s", a.Name, why))
		}
		if a.Died != "" {
			all = append(all, fmt.Sprintf("%s: the server died; %s", a.Name, a.Died))
		}
		if a.Skipped != "" {
			all = append(all, fmt.Sprintf("%s was skipped: %s", a.Name, a.Skipped))
		}
		if a.Attempts > 1 {
			all = append(all, fmt.Sprintf("%s: the figures are of attempt %d", a.Name, a.Attempts))
		}
		if late := a.Bystander.Lag; late > 10 {
			all = append(all, fmt.Sprintf("%s: the bystander's own thread woke %.0f ms late (p99): the machine was busy, so a part of this size of the latency is not the server's", a.Name, late))
		}
		known = known && a.Server.Known
	}
	if !known {
		all = append(all, "the server's process is not known: its CPU, memory and files are not measured, and the musts about them are not judged; give --pid or --cmd")
	}
	if !r.Options.Latency {
		all = append(all, "the bystander's p99 was not judged")
	}
	return all
}

// said returns the refusals, the most frequent first.
func (c AttackerCost) said() (all []string) {
	for _, text := range slices.SortedFunc(maps.Keys(c.Said), func(a, b string) int { return c.Said[b] - c.Said[a] }) {
		all = append(all, fmt.Sprintf("%d × %s", c.Said[text], text))
	}
	return all
}

// WriteHTML writes one page with a picture per attack.
func (r *Report) WriteHTML(w io.Writer) error {
	p := page.Page{Title: strings.TrimSpace("webim-bench attack " + r.Label), Notes: r.remarks(), Conditions: &r.Conditions, Lead: []string{
		"A bystander in another room sends and receives ten messages a second. The shaded part of each picture is the time of the attack.",
		fmt.Sprintf("The musts: the bystander loses nothing; its p99 is at most 20 ms + 2 × its p99 before the attack; the server's memory returns to within %s and its open files to within %d. Less is better in every column.", mb(r.Options.MemorySlack), fdSlack),
		"Memory limit of the server: " + r.limit() + "."}}
	if r.Holds() {
		p.Lead = append([]string{r.Verdict()}, p.Lead...)
	} else {
		p.Bad = []string{r.Verdict()}
	}
	for i := range r.Attacks {
		p.Sections = append(p.Sections, r.Attacks[i].section())
	}
	return p.WriteHTML(w)
}

// section returns an attack's section of the page.
func (a *Result) section() page.Section {
	s := page.Section{Name: a.Name + ": " + a.row()[1], Bad: a.Failed, Notes: []string{a.What}}
	if said := a.Attacker.said(); len(said) > 0 {
		s.Notes = append(s.Notes, "The server to the attacker: "+strings.Join(said[:min(len(said), 5)], "; ")+".")
	}
	if a.Skipped != "" {
		s.Notes = append(s.Notes, "Skipped: "+a.Skipped+".")
	}
	row := a.row()
	half := 10
	s.Table = [][]string{head[1:half], row[1:half]}
	if a.Server.Known {
		s.Table = append(s.Table, head[half:], row[half:])
	}
	mark, end := [2]float64{a.From, a.To}, a.To
	latency := page.Series{}
	for _, t := range a.Trips {
		if end = max(end, t[0]); t[1] >= 0 {
			latency.X, latency.Y = append(latency.X, t[0]), append(latency.Y, t[1])
		}
	}
	s.Charts = append(s.Charts, page.TimeChart("Bystander's latency, ms", end, mark, latency))
	if !a.Server.Known {
		return s
	}
	var rss, cores, fds page.Series
	for _, v := range a.Samples {
		if v.At <= end {
			rss.X, rss.Y = append(rss.X, v.At), append(rss.Y, float64(v.RSS)/1e6)
			cores.Y, fds.Y = append(cores.Y, v.Cores), append(fds.Y, float64(v.FDs))
		}
	}
	cores.X, fds.X = rss.X, rss.X
	s.Charts = append(s.Charts, page.TimeChart("Server memory (RSS), MB", end, mark, rss), page.TimeChart("Server CPU, cores", end, mark, cores),
		page.TimeChart("Files open in the server", end, mark, fds))
	return s
}
