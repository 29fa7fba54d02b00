// Package scenario has the measurements: each scenario is a struct of flags whose Run drives clients and fills a report.
package scenario
