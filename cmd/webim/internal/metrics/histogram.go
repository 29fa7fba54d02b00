package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	"webim/netpoll/durations"
)

// classic are the upper bounds of the classic buckets, in seconds.
var classic = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// schema is that of the native histogram: four buckets for each power of two, as many as
// durations.Histogram has.
const schema = 2

// times adds a series of a histogram. A duration counts as the longest one of its range in
// durations.Counts, which is at most a fourth longer. The sum is that of the ranges' middles.
func (s scrape) times(f *Family, c durations.Counts, began time.Time, labels ...string) {
	var total, zero uint64
	var sum float64
	native := map[int]int64{}
	below := make([]uint64, len(classic))
	for b := range c.Buckets() {
		total += b.N
		sum += float64(b.N) * (b.Least + (b.Most-b.Least)/2).Seconds()
		most := b.Most.Seconds()
		if most > 0 {
			native[int(math.Ceil(math.Log2(most)*(1<<schema)))] += int64(b.N)
		} else {
			zero += b.N
		}
		for i, bound := range classic {
			if most <= bound {
				below[i] += b.N
			}
		}
	}
	m, err := prometheus.NewConstNativeHistogram(f.desc, total, sum, native, nil, zero, schema, prometheus.DefNativeHistogramZeroThreshold, began, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(f.desc, err)
	}
	s <- bothHistograms{m, below}
}

// bothHistograms is a native histogram with classic buckets beside it. The text format shows only these.
type bothHistograms struct {
	prometheus.Metric
	below []uint64 // by the bounds of classic
}

// Write implements prometheus.Metric.
func (h bothHistograms) Write(to *dto.Metric) error {
	if err := h.Metric.Write(to); err != nil {
		return err
	}
	for i, n := range h.below {
		to.Histogram.Bucket = append(to.Histogram.Bucket, &dto.Bucket{CumulativeCount: proto.Uint64(n), UpperBound: proto.Float64(classic[i])})
	}
	return nil
}
