//go:build !race

package netpoll

// raceEnabled tells tests that count allocations that the race detector runs.
const raceEnabled = false
