// Package benchtest has servers of known behaviour for the lab's tests, and lets a test binary be a floor server or a worker process.
package benchtest
