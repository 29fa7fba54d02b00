// Package report has the results of all scenarios as data, with their tables, their figures, and the comparison of two sets of runs.
package report
