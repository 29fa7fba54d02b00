package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// WriteText writes a table for each stage, and what is to be said of it.
func (r *Results) WriteText(w io.Writer) error {
	var b bytes.Buffer
	if r.Partial {
		fmt.Fprintln(&b, "NOT ALL WAS DONE: the figures are of what was")
	}
	for _, v := range r.servers().Table[1:] {
		fmt.Fprintf(&b, "%-10s %s\n", v[0], v[1])
	}
	fmt.Fprintln(&b, arrows)
	for _, s := range r.Stages {
		fmt.Fprintf(&b, "\n%s: %s\n", s.Name, s.What)
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, row := range s.rows() {
			fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
		}
		tw.Flush()
	}
	fmt.Fprintln(&b)
	for _, n := range r.remarks() {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// remarks are who was left out, who failed, and the notes.
func (r *Results) remarks() []string {
	all := append([]string{}, r.LeftOut...)
	for _, s := range r.Stages {
		for _, v := range s.Servers {
			if v.Failed != "" {
				all = append(all, fmt.Sprintf("%s, %s: %s", s.Name, v.Name, v.Failed))
			}
		}
	}
	return append(all, r.Notes...)
}

// rows is a line for each server: medians over the runs with their extremes, and each median divided by webim's.
func (s StageResult) rows() [][]string {
	head := []string{s.Name}
	for _, name := range s.show {
		short := strings.TrimSpace(name[strings.LastIndex(name, ": ")+1:])
		if before, _, ok := strings.Cut(name, ": "); ok && !strings.Contains(s.Name, before) && before != "server" {
			short = name
		}
		head = append(head, short+" "+s.arrow(name), "×"+s.Servers[0].Name)
	}
	rows := [][]string{head}
	for _, v := range s.Servers {
		row := []string{v.Name}
		for _, name := range s.show {
			of := v.figures(name)
			got := measured(of)
			if len(got) == 0 {
				row = append(row, "-", "")
				continue
			}
			x := spreadOf(got)
			times := ""
			if q := quotient(x, spreadOf(measured(s.Servers[0].figures(name)))); q > 0 {
				times = fmt.Sprintf("%.2f", q)
			}
			text := figure(x.Median)
			if len(got) > 1 {
				text = fmt.Sprintf("%s (%s–%s)", text, figure(x.Min), figure(x.Max))
			}
			row = append(row, text, times)
		}
		rows = append(rows, row)
	}
	return rows
}

// arrow says which direction of a figure is better.
func (s StageResult) arrow(name string) string {
	for _, v := range s.Servers {
		for _, r := range v.Runs {
			if r == nil {
				continue
			}
			for _, f := range r.Figures() {
				if f.Name() == name && f.More {
					return "↑"
				}
			}
		}
	}
	return "↓"
}

// arrows explains arrow.
const arrows = "↓: less is better; ↑: more is better. Each figure is the median of the runs, with the least and the largest behind it; ×webim is that median divided by webim's."

// servers is a table of who was measured, and in which version.
func (r *Results) servers() PageSection {
	p := PageSection{Name: "The servers", Table: [][]string{{"name", "what"}}}
	if len(r.Stages) == 0 {
		return p
	}
	for _, v := range r.Stages[0].Servers {
		p.Table = append(p.Table, []string{v.Name, v.version(r)})
	}
	return p
}

// version is what the server says itself, if it was asked, or what its peer's entry says.
func (v ServerResult) version(r *Results) string {
	for _, s := range r.Stages {
		for _, o := range s.Servers {
			for _, run := range o.Runs {
				if o.Name == v.Name && run != nil && v.What == v.Name && run.Conditions.ServerVersion != "" {
					return run.Conditions.ServerVersion
				}
			}
		}
	}
	return v.What
}

// WriteHTML writes one self-contained page, as the function of that name does of reports.
func (r *Results) WriteHTML(w io.Writer) error {
	d := pageData{Title: "webim and its peers", Lead: []string{arrows}, Notes: r.remarks(), Stages: []PageSection{r.servers()}}
	if r.Partial {
		d.Notes = append([]string{"not all was done: the figures are of what was"}, d.Notes...)
	}
	for _, s := range r.Stages {
		p := PageSection{Name: s.Name, Notes: []string{s.What}, Table: s.rows()}
		var curves []*Report
		for _, v := range s.Servers {
			for _, run := range v.Runs {
				if run != nil {
					curves = append(curves, run) // the first stands for all
					if d.Conditions == nil {
						d.Conditions = &run.Conditions
					}
					break
				}
			}
		}
		for _, name := range s.show {
			if bars := s.bars(name); len(bars) > 0 {
				p.Charts = append(p.Charts, barChart(name+" "+s.arrow(name), bars))
			}
		}
		p.Charts = append(p.Charts, latencyCharts(curves)...)
		d.Stages = append(d.Stages, p)
	}
	return page.Execute(w, d)
}

func (s StageResult) bars(name string) (bars []bar) {
	some := false
	for i, v := range s.Servers {
		if got := measured(v.figures(name)); len(got) > 0 {
			x := spreadOf(got)
			bars = append(bars, bar{name: v.Name, colour: i, v: x.Median, min: x.Min, max: x.Max})
			some = some || x.Max != 0
		}
	}
	if !some {
		return nil
	}
	return bars
}

// WriteJSON writes the reports of all runs, one after the other.
func (r *Results) WriteJSON(w io.Writer) error {
	for _, s := range r.Stages {
		for _, v := range s.Servers {
			for _, run := range v.Runs {
				if run == nil {
					continue
				}
				if err := run.WriteJSON(w); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// WriteRuns writes the reports of each stage and server into a file of its own, STAGE-SERVER.json, for compare.
func (r *Results) WriteRuns(dir string) error {
	for _, s := range r.Stages {
		for _, v := range s.Servers {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			for _, run := range v.Runs {
				if run != nil {
					if err := e.Encode(run); err != nil {
						return err
					}
				}
			}
			if b.Len() == 0 {
				continue
			}
			name := strings.NewReplacer(" at ", "-", ", ", "-", " msg/s", "", " ", "-").Replace(s.Name) + "-" + v.Name + ".json"
			if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
