package stat

import (
	"fmt"
	"slices"
)

// Figure formats a measured figure as Cell does, but zero as 0.
func Figure(v float64) string {
	if v == 0 {
		return "0"
	}
	return Cell(v)
}

// Ratio divides the median of a by that of b; it is 0 if that of b is 0.
func Ratio(a, b Spread) float64 {
	if b.Median == 0 {
		return 0
	}
	return a.Median / b.Median
}

// Cell formats a figure with more decimals the smaller it is. Zero means that it was not measured, and becomes "-".
func Cell(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 0.1 && v > -0.1:
		return fmt.Sprintf("%.4f", v)
	case v < 10 && v > -10:
		return fmt.Sprintf("%.2f", v)
	case v < 1000 && v > -1000:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// Median returns the middle value of v, or the mean of the two in the middle. Without values it is zero.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Spread is the median and the extremes of a repeated figure.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func SpreadOf(v []float64) Spread {
	if len(v) == 0 {
		return Spread{}
	}
	return Spread{Median(v), slices.Min(v), slices.Max(v)}
}

func (s Spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", Cell(s.Median), Cell(s.Min), Cell(s.Max))
}
