package main

import (
	"runtime/debug"
	"testing"
	"time"
)

var kept [][]byte

// TestJanitor makes garbage that nobody collects.
func TestJanitor(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	collect()
	cleaned := 0
	j := newJanitor()
	j.clean = func() { cleaned++; collect() }
	look := func(what string, want int) {
		t.Helper()
		if j.look(); cleaned != want {
			t.Fatalf("%s: cleaned %d times, want %d", what, cleaned, want)
		}
		j.next = time.Time{} // no rest: a slow machine's would be long
	}
	look("at start", 0)
	look("nothing to do", 0)
	for range 1000 {
		kept = append(kept, make([]byte, 8<<10))
	}
	kept = nil
	look("in the burst", 0)
	look("after the burst", 1)
	look("nothing new", 1)
	for range 1000 {
		kept = append(kept, make([]byte, 8<<10))
	}
	look("again", 1)
	look("live memory is left alone once it is known to live", 2)
	look("it is", 2)
	kept = nil
}
