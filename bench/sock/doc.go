// Package sock makes system calls on non-blocking sockets without telling Go's scheduler.
package sock
