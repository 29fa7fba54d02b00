// Package proc starts server processes, and reads the figures of processes and of the kernel from /proc.
package proc
