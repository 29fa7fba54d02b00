// Package scenario has the measurements: each scenario is a struct of flags whose Run drives clients and fills a report.
//
// # Lock order
//
// roomSender.mu → client.Client.mu: a sender sends its next message under its lock.
package scenario
