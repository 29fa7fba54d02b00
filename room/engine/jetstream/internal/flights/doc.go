// Package flights lets many callers wait for one job.
//
// # Lock order
//
// Group.mu is innermost: jobs and callers are called without it.
package flights
