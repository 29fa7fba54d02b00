package suite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"webim/bench/stat"
)

// WriteText writes a table for each stage, and notes.
func (r *Results) WriteText(w io.Writer) error {
	var b bytes.Buffer
	if r.Partial {
		fmt.Fprintln(&b, "NOT ALL WAS DONE: the figures are of a part of the runs")
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

// remarks returns the servers left out, the failed ones, and the notes.
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

// rows returns a line for each server: the medians over the runs with their extremes, and each median divided by webim's.
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
			x := stat.SpreadOf(got)
			times := ""
			if q := stat.Ratio(x, stat.SpreadOf(measured(s.Servers[0].figures(name)))); q > 0 {
				times = fmt.Sprintf("%.2f", q)
			}
			text := stat.Figure(x.Median)
			if len(got) > 1 {
				text = fmt.Sprintf("%s (%s–%s)", text, stat.Figure(x.Min), stat.Figure(x.Max))
			}
			row = append(row, text, times)
		}
		rows = append(rows, row)
	}
	return rows
}

// arrow returns an arrow in the direction in which a figure is better.
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

// WriteRuns writes the reports of each stage and server to a file STAGE-SERVER.json, for compare.
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
