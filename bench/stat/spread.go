package stat

import (
	"fmt"
	"slices"
)

// Figure is cell for what was measured for sure: zero is zero.
func Figure(v float64) string {
	if v == 0 {
		return "0"
	}
	return Cell(v)
}

// Ratio divides the medians that a table shows; 0 if there is nothing to divide by.
func Ratio(a, b Spread) float64 {
	if b.Median == 0 {
		return 0
	}
	return a.Median / b.Median
}

// Cell writes a figure with as many decimals as its size deserves; "-" for what was not measured.
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

// Median returns the middle of v, the mean of the two in the middle if they are an even number, and zero of none.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Clone(v)
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Spread is the median of something repeated, with its extremes.
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
