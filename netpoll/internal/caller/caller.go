// Package caller tells which functions the current goroutine runs. Goroutines have no names, but their stacks name
// functions.
package caller

import (
	"reflect"
	"runtime"
	"slices"
)

// Name returns the name of a function, as stacks have it.
func Name(f any) string { return runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name() }

// IsIn reports whether the current goroutine runs one of the functions with these names.
func IsIn(names ...string) bool {
	pcs := make([]uintptr, 64)
	n := runtime.Callers(1, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(1, pcs)
	}
	frames := runtime.CallersFrames(pcs[:n])
	for {
		f, more := frames.Next()
		if slices.Contains(names, f.Function) {
			return true
		}
		if !more {
			return false
		}
	}
}
