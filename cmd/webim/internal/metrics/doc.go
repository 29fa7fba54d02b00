// Package metrics serves the numbers of a running server to Prometheus.
//
//	metrics.go    Config, Registry, Handler: the registry, and the answers to scrapes
//	family.go     a metric with its name, kind, labels and help; the list of all
//	histogram.go  durations.Counts as a native histogram with classic buckets beside it
//	server.go     connections, traffic, workers and TLS: package netpoll
//	rooms.go      rooms, messages, deliveries, limits, tokens and the engine: package room
//	hooks.go      requests to the application's backend: package hooks
//
// # Rules
//
//   - Nothing is counted here. The counters stay in the packages that do the work. A scrape reads them, and
//     so costs as much as the Stats functions: a walk over the connections and one over the rooms.
//   - A label has few values, which the program fixes. No user, room, address or text is in a label.
//   - Every series with a label exists from the start, with 0, so that a rate over it begins with the first event.
//   - At most maxScrapes scrapes run at a time.
//
// # Vocabulary
//
//	family   the series with one name
//	series   a family with one value for each label
//	scrape   a request that reads all series
//
// The package has no mutex of its own.
package metrics
