// Package refusal knows the reasons for which a server refuses a connection before it is open: the HTTP
// answer, the count and the log line of each. It decides nothing: the callers find the reason.
//
//	file         contents
//	refusal.go   reasons and answers; those of a request's head are in package head
//	reporter.go  Reporter: the counts and the log lines of one server
//
// # Lock order
//
// Reporter.mu is a leaf: nothing is locked under it.
package refusal
