package page

import (
	_ "embed"
	"encoding/json"
	"fmt"
	markup "html/template"
	"io"
	"math"
	"slices"

	"webim/bench/report"
)

//go:embed page.html
var source string

var layout = markup.Must(markup.New("page").Parse(source))

// data is the input of page.html.
type data struct {
	Title   string
	Bad     []string // problems, shown first
	Lead    []string // introductory sentences
	Reports []pageReport
	Shared  []markup.HTML // charts that compare the reports

	// For pages that do not show Reports.
	Stages     []Section
	Notes      []string
	Conditions *report.Conditions
}

type pageReport struct {
	Name    string
	Report  *report.Report
	Tables  [][][]string
	Charts  []markup.HTML // figures over time
	Options string
}

// Section is a part of a page: a table (the first row is its head) and charts.
type Section struct {
	Name   string
	Bad    []string // problems
	Notes  []string
	Table  [][]string
	Charts []markup.HTML
}

// Page is a page of any results.
type Page struct {
	Title      string
	Bad        []string // problems, shown first
	Lead       []string // introductory sentences
	Sections   []Section
	Notes      []string
	Conditions *report.Conditions
}

// WriteHTML writes the page. It has no scripts and no external resources.
func (p Page) WriteHTML(w io.Writer) error {
	return layout.Execute(w, data{Title: p.Title, Bad: p.Bad, Lead: p.Lead, Stages: p.Sections, Notes: p.Notes, Conditions: p.Conditions})
}

// Series is a line of a chart over time.
type Series struct {
	Name string
	X, Y []float64 // X in seconds
}

// TimeChart draws series over the seconds from 0 to end, and shades the part mark.
func TimeChart(title string, end float64, mark [2]float64, all ...Series) markup.HTML {
	x := linear("seconds", end)
	x.to, x.mark = max(end, 1e-9), mark
	x.ticks = slices.DeleteFunc(x.ticks, func(t tick) bool { return t.at > x.to })
	most := 0.0
	var lines []line
	for _, s := range all {
		lines = append(lines, line{s.Name, s.X, s.Y})
		for _, v := range s.Y {
			most = max(most, v)
		}
	}
	return lineChart(title, x, linear("", most), lines)
}

// WriteHTML writes one page about reports, without scripts and external resources. It compares the reports, which should
// be of one scenario, in the same charts.
func WriteHTML(w io.Writer, reports []*report.Report) error {
	if len(reports) == 0 {
		return fmt.Errorf("there is no report to show")
	}
	d := data{Title: "webim-bench " + reports[0].Scenario, Shared: append(LatencyCharts(reports), bars(reports)...)}
	for _, r := range reports {
		options, err := json.Marshal(r.Conditions.Options)
		if err != nil {
			return err
		}
		d.Reports = append(d.Reports, pageReport{r.Name(), r, append([][][]string{r.Rows()}, r.MoreTables()...), overTime(r.Samples), string(options)})
	}
	return layout.Execute(w, d)
}

// LatencyCharts draws the percentiles of all reports. Each nine of a percentile has the same width, because the tail
// matters most.
func LatencyCharts(reports []*report.Report) []markup.HTML {
	var lines []line
	least, most, nines := math.Inf(1), 0.0, 2.0
	for _, r := range reports {
		names, all := r.Latencies()
		for i, l := range all {
			if len(l.Curve) == 0 {
				continue
			}
			s := line{name: names[i]}
			if len(reports) > 1 || s.name == "" {
				s.name = cut(r.Name(), 16) + " " + s.name
			}
			for _, p := range l.Curve {
				s.x, s.y = append(s.x, ninesOf(p.Q)), append(s.y, p.MS)
				least, most, nines = min(least, max(p.MS, 1e-3)), max(most, p.MS), max(nines, ninesOf(p.Q))
			}
			lines = append(lines, s)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	x := axis{label: "percentile", to: nines * 1.02}
	for i, text := range []string{"0", "90", "99", "99.9", "99.99", "99.999", "99.9999"} {
		if float64(i) <= x.to {
			x.ticks = append(x.ticks, tick{float64(i), text})
		}
	}
	y := logarithmic("ms", least, most)
	var charts []markup.HTML
	for some := range slices.Chunk(lines, chartColours) {
		charts = append(charts, lineChart("Latency by percentile, ms", x, y, some))
	}
	return charts
}

// ninesOf returns 1 for 90 %, 2 for 99 %, and so on.
func ninesOf(q float64) float64 { return -math.Log10(max(1-q, 1e-6)) }

// bars draws a chart for each figure, over cases and reports. It leaves out figures with one value only, and figures that
// are zero everywhere.
func bars(reports []*report.Report) []markup.HTML {
	var order []string
	groups := map[string][]Bar{}
	for i, r := range reports {
		for _, f := range r.Figures() {
			if groups[f.What] == nil {
				order = append(order, f.What)
			}
			b := Bar{Name: f.Case, Value: f.Value, Min: f.Spread.Min, Max: f.Spread.Max, Colour: i}
			if len(reports) > 1 {
				b.Name = fmt.Sprintf("%s %s", r.Name(), f.Case)
			}
			groups[f.What] = append(groups[f.What], b)
		}
	}
	var charts []markup.HTML
	for _, what := range order {
		g := groups[what]
		if len(g) > 1 && slices.ContainsFunc(g, func(b Bar) bool { return b.Value != 0 }) {
			charts = append(charts, BarChart(what, g))
		}
	}
	return charts
}

// overTime draws samples. A quantity that is zero all the time was not measured, and has no chart.
func overTime(all []report.Sample) (charts []markup.HTML) {
	if len(all) < 2 {
		return nil
	}
	type series struct {
		name string
		of   func(report.Sample) float64
	}
	x := linear("seconds", all[len(all)-1].At)
	x.to = max(all[len(all)-1].At, 1e-9) // no empty space at the right
	x.ticks = slices.DeleteFunc(x.ticks, func(t tick) bool { return t.at > x.to })
	for _, c := range []struct {
		title string
		of    []series
	}{
		{"Server memory (RSS), MB", []series{{"server", func(s report.Sample) float64 { return float64(s.RSS) / 1e6 }}}},
		{"CPU, cores", []series{{"server", func(s report.Sample) float64 { return s.CPU }}, {"client", func(s report.Sample) float64 { return s.Client }}}},
		{"Latency since the sample before, ms", []series{{"p50", func(s report.Sample) float64 { return s.P50 }}, {"p99", func(s report.Sample) float64 { return s.P99 }}}},
		{"Messages received a second", []series{{"", func(s report.Sample) float64 { return s.PerSecond }}}},
		{"Files open in the server", []series{{"", func(s report.Sample) float64 { return float64(s.FDs) }}}},
	} {
		most := 0.0
		var lines []line
		for _, s := range c.of {
			l := line{name: s.name}
			for _, v := range all {
				l.x, l.y = append(l.x, v.At), append(l.y, s.of(v))
				most = max(most, s.of(v))
			}
			lines = append(lines, l)
		}
		if most > 0 {
			charts = append(charts, lineChart(c.title, x, linear("", most), lines))
		}
	}
	return charts
}
