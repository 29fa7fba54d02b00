package metrics

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// A Kind is a kind of metric.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// A Family is a metric as the manual describes it.
type Family struct {
	Name   string
	Kind   Kind
	Labels []string
	Help   string

	desc *prometheus.Desc
}

var families []*Family

// Families returns the metrics of webim by their names, without those of the Go runtime and the process.
func Families() []*Family {
	return slices.SortedFunc(slices.Values(families), func(a, b *Family) int { return strings.Compare(a.Name, b.Name) })
}

func define(kind Kind, name, help string, labels ...string) *Family {
	f := &Family{name, kind, labels, help, prometheus.NewDesc(name, help, labels, nil)}
	families = append(families, f)
	return f
}

func counter(name, help string, labels ...string) *Family {
	return define(Counter, name, help, labels...)
}

func gauge(name, help string, labels ...string) *Family { return define(Gauge, name, help, labels...) }

func histogram(name, help string, labels ...string) *Family {
	return define(Histogram, name, help, labels...)
}

// A scrape takes the series of one request.
type scrape chan<- prometheus.Metric

// number adds a series of a counter or a gauge. labels are the values of the family's labels.
func (s scrape) number(f *Family, v float64, labels ...string) {
	kind := prometheus.GaugeValue
	if f.Kind == Counter {
		kind = prometheus.CounterValue
	}
	s <- prometheus.MustNewConstMetric(f.desc, kind, v, labels...)
}

// count adds a series with a whole number.
func count[N int | int64](s scrape, f *Family, n N, labels ...string) {
	s.number(f, float64(n), labels...)
}
