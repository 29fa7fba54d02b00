// Package trial runs webim nodes on one NATS server of this machine, to try out in a browser. It measures
// nothing.
//
//	trial.go    Config, Run: the files, the processes in their order, and the things to try
//	process.go  a process: its lines are shown, and it starts again if it ends by itself
//
// # Lock order
//
// process.mu and output.mu are leaves: no lock is taken under them.
package trial
