// Package stat has the lab's clock and its statistics: histograms of durations, medians, and the spread of repeated figures.
package stat
