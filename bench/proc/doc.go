// Package proc starts server processes, reads their output by lines, and reads the figures of processes and of the kernel from /proc.
//
// # Lock order
//
// Tail.mu is a leaf: no lock is taken under it. The channel for the first line has room for it.
package proc
