package page

import (
	"fmt"
	"html"
	markup "html/template"
	"math"
	"strings"

	"webim/bench/stat"
)

// Charts are SVG text. They are 400 units wide with letters of 11 units. A phone is about as wide in pixels, so it shows
// them at a readable size; a wide screen shows several side by side. The colours are the classes c0 to c7 of the page's
// style.

const (
	chartWidth, chartHeight = 400.0, 250.0
	plotLeft, plotRight     = 46.0, 390.0
	plotTop, plotBottom     = 26.0, 208.0
	chartColours            = 8
)

// axis maps values to 0..1.
type axis struct {
	label    string
	from, to float64
	log      bool
	ticks    []tick
	mark     [2]float64 // the shaded part of the axis; none if both are equal
}

type tick struct {
	at   float64
	text string
}

func (a axis) place(v float64) float64 {
	if a.log {
		return (math.Log(max(v, a.from)) - math.Log(a.from)) / (math.Log(a.to) - math.Log(a.from))
	}
	return (v - a.from) / (a.to - a.from)
}

// linear returns an axis from zero with three to six round ticks.
func linear(label string, most float64) axis {
	most = max(most, 1e-9)
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, f := range []float64{.2, .5, 1, 2} {
		if most/(step*f) <= 5 {
			step *= f
			break
		}
	}
	a := axis{label: label}
	for v := 0.0; v < most+step; v += step {
		a.ticks = append(a.ticks, tick{v, short(v)})
		a.to = v
	}
	return a
}

// logarithmic returns an axis over whole powers of ten. If they are few, there are also ticks at 2 and 5.
func logarithmic(label string, least, most float64) axis {
	low, high := math.Floor(math.Log10(max(least, 1e-3))), math.Ceil(math.Log10(max(most, 2e-3)))
	if high <= low {
		high = low + 1
	}
	a := axis{label: label, from: math.Pow(10, low), to: math.Pow(10, high), log: true}
	for p := low; p <= high; p++ {
		for _, f := range []float64{1, 2, 5} {
			if v := f * math.Pow(10, p); (f == 1 || high-low <= 2) && v <= a.to*1.001 {
				a.ticks = append(a.ticks, tick{v, short(v)})
			}
		}
	}
	return a
}

// short formats the value of a tick.
func short(v float64) string {
	if v = math.Round(v*1e6) / 1e6; v >= 1e6 {
		return fmt.Sprintf("%gM", v/1e6)
	}
	if v >= 1e4 {
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", v)
}

// line is a series of points.
type line struct {
	name string
	x, y []float64
}

// lineChart draws lines over a grid. If there are several, a legend follows.
func lineChart(title string, x, y axis, lines []line) markup.HTML {
	var b strings.Builder
	rows := (len(lines) + 1) / 2
	if len(lines) < 2 {
		rows = 0
	}
	openChart(&b, title, chartHeight+16*float64(rows))
	if from, to := x.place(x.mark[0]), x.place(x.mark[1]); x.mark[1] > x.mark[0] {
		fmt.Fprintf(&b, `<rect class="mark" x="%.1f" y="%g" width="%.1f" height="%g"/>`, plotLeft+(plotRight-plotLeft)*from, plotTop, (plotRight-plotLeft)*(to-from), plotBottom-plotTop)
	}
	for _, t := range y.ticks {
		at := plotBottom - (plotBottom-plotTop)*y.place(t.at)
		fmt.Fprintf(&b, `<path class="grid" d="M%g %.1fH%g"/><text class="tick" text-anchor="end" x="%g" y="%.1f">%s</text>`, plotLeft, at, plotRight, plotLeft-5, at+4, t.text)
	}
	for _, t := range x.ticks {
		at := plotLeft + (plotRight-plotLeft)*x.place(t.at)
		text := min(at, chartWidth-3.2*float64(len(t.text))) // the last text must stay within the picture
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %gV%g"/><text class="tick" text-anchor="middle" x="%.1f" y="%g">%s</text>`, at, plotTop, plotBottom, text, plotBottom+15, t.text)
	}
	fmt.Fprintf(&b, `<text class="tick" text-anchor="middle" x="%g" y="%g">%s</text>`, (plotLeft+plotRight)/2, plotBottom+31, html.EscapeString(x.label))
	for i, l := range lines {
		fmt.Fprintf(&b, `<path class="line c%d" d="`, i%chartColours)
		for j := range l.x {
			fmt.Fprintf(&b, "%c%.1f %.1f", "ML"[min(j, 1)], plotLeft+(plotRight-plotLeft)*x.place(l.x[j]), plotBottom-(plotBottom-plotTop)*y.place(l.y[j]))
		}
		b.WriteString(`"/>`)
		if rows > 0 {
			legend(&b, i, l.name)
		}
	}
	b.WriteString("</svg>")
	return markup.HTML(b.String())
}

func openChart(b *strings.Builder, title string, height float64) {
	fmt.Fprintf(b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%[3]s"><text class="title" x="4" y="14">%[3]s</text>`, chartWidth, height, html.EscapeString(title))
}

func legend(b *strings.Builder, i int, name string) {
	x, y := 8+196*float64(i%2), plotBottom+49+16*float64(i/2)
	fmt.Fprintf(b, `<path class="line c%d" d="M%g %gh16"/><text class="tick" x="%g" y="%g">%s</text>`, i%chartColours, x, y-4, x+21, y, html.EscapeString(cut(name, 28)))
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// Bar is one bar of a chart.
type Bar struct {
	Name     string
	Colour   int
	Value    float64
	Min, Max float64 // a thin line over the bar's end; none if both are equal
}

// BarChart draws horizontal bars with the names above them, because names are long and phones are narrow.
func BarChart(title string, bars []Bar) markup.HTML {
	var b strings.Builder
	openChart(&b, title, 26+34*float64(len(bars)))
	most := 0.0
	for _, r := range bars {
		most = max(most, r.Value, r.Max)
	}
	const left, room = 4.0, 320.0 // the figure stands behind its bar
	scale := room / max(most, 1e-12)
	for i, r := range bars {
		y := 34 + 34*float64(i)
		fmt.Fprintf(&b, `<text class="tick" x="%g" y="%g">%s</text><rect class="c%d" x="%g" y="%g" width="%.1f" height="12" rx="2"/>`,
			left, y, html.EscapeString(cut(r.Name, 60)), r.Colour%chartColours, left, y+4, max(1, r.Value*scale))
		if r.Max > r.Min {
			fmt.Fprintf(&b, `<path class="range" d="M%.1f %gv6m0 -3H%.1fm0 -3v6"/>`, left+r.Min*scale, y+7, left+r.Max*scale)
		}
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g">%s</text>`, left+max(r.Value, r.Max)*scale+6, y+14, stat.Figure(r.Value))
	}
	b.WriteString("</svg>")
	return markup.HTML(b.String())
}
