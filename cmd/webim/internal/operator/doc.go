// Package operator serves the paths of the internal listener that are for operators and their tools:
// /metrics for Prometheus, /debug/pprof/ for Go's profiler, and /why for the flight recorder.
//
//	operator.go  Handler: the paths, and the keys that open them
//	profile.go   the profiles
//	why.go       the flight recorder
//
// # Rules
//
//   - A request needs a key of the server API, in one of the headers that the API takes. A key without
//     rights opens everything. A key with rights opens a path only with the right of that name, metrics, pprof
//     or why; the right * is about the methods of the API.
//   - Only Config.MetricsOpen lets requests without a key read /metrics.
//   - Each profile, each question to the flight recorder, and each refusal, leaves a line in the log; refusals a limited number of lines.
//   - A profile never shows the command line, which may have secrets.
//
// A Host header is not checked, as it is for the API: a page of another site could read nothing here
// without the key.
//
// The package has no mutex.
package operator
