package suite

import (
	"io"

	"webim/bench/page"
	"webim/bench/report"
	"webim/bench/stat"
)

// servers returns a table of the servers and their versions.
func (r *Results) servers() page.Section {
	p := page.Section{Name: "The servers", Table: [][]string{{"name", "what"}}}
	if len(r.Stages) == 0 {
		return p
	}
	for _, v := range r.Stages[0].Servers {
		p.Table = append(p.Table, []string{v.Name, v.version(r)})
	}
	return p
}

// version returns the version from the server's reports or, without one, the text of its peer.
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

// WriteHTML writes the results as one page, without scripts and external resources.
func (r *Results) WriteHTML(w io.Writer) error {
	d := page.Page{Title: "webim and its peers", Lead: []string{arrows}, Notes: r.remarks(), Sections: []page.Section{r.servers()}}
	if r.Partial {
		d.Notes = append([]string{"not all was done: the figures are of a part of the runs"}, d.Notes...)
	}
	for _, s := range r.Stages {
		p := page.Section{Name: s.Name, Notes: []string{s.What}, Table: s.rows()}
		var curves []*report.Report
		for _, v := range s.Servers {
			for _, run := range v.Runs {
				if run != nil {
					curves = append(curves, run) // the first run stands for all
					if d.Conditions == nil {
						d.Conditions = &run.Conditions
					}
					break
				}
			}
		}
		for _, name := range s.show {
			if bars := s.bars(name); len(bars) > 0 {
				p.Charts = append(p.Charts, page.BarChart(name+" "+s.arrow(name), bars))
			}
		}
		p.Charts = append(p.Charts, page.LatencyCharts(curves)...)
		d.Sections = append(d.Sections, p)
	}
	return d.WriteHTML(w)
}

func (s StageResult) bars(name string) (bars []page.Bar) {
	some := false
	for i, v := range s.Servers {
		if got := measured(v.figures(name)); len(got) > 0 {
			x := stat.SpreadOf(got)
			bars = append(bars, page.Bar{Name: v.Name, Colour: i, Value: x.Median, Min: x.Min, Max: x.Max})
			some = some || x.Max != 0
		}
	}
	if !some {
		return nil
	}
	return bars
}
