// Package pause decides how long a shard of a room pauses after a sweep, from the load that sweeps
// make (Load) and from the rate at which clients connect (Arrivals).
//
// A sweep that takes ten messages costs little more than one that takes one. So a shard that pauses
// after a sweep, and gathers messages meanwhile, spends less CPU time on each delivery. But a
// message that comes during the pause waits, on average half of it, and if the processors have
// nothing else to do, it waits for nothing. The decision depends on the load: the part of the
// workers' time that it would take to sweep each message by itself. Unlike the time for which the
// workers are busy, the load does not fall because shards pause, so the pauses do not swing.
//
// Measured on two processors, with one room of 1,000 members and the clients on the same machine:
// from 100 to 300 messages a second, of the pauses of 0, 1, 5 and 25 ms the one of 5 ms has the best
// 50th and 99th percentiles of the latency, and 25 ms double both. The load is then 0.2 to 0.9, and
// up to 3 in hours in which the machine is slower by half. From 1,000 messages a second on, 25 ms
// halve the CPU time of a delivery.
package pause

import "time"

const (
	// factor: a shard pauses factor times as long as its sweep took, so that a busy room spends its
	// time on large writes. With 12 instead of 4, at 300 and 1,000 messages a second to 1,000
	// members, a delivery takes a third less CPU time, and the 99th percentile of the latency does
	// not change, because sweeps wait less for each other.
	factor = 12
	// least is the shortest pause. A shorter one is left out, because a timer costs more than it saves.
	least = 500 * time.Microsecond
	// While a burst of clients connects, a shard pauses burstFactor times as long as its sweep
	// took, but at most burstLongest times Config.MaxPause. When 10,000 clients reconnect and 20
	// messages a second are published, each shard is then swept for every second or third message.
	burstFactor  = 40
	burstLongest = 4
)

// After returns how long a shard pauses after a sweep that took so long. lone: the sweep had one
// message, and no other is pending. burst: many clients connect now (Arrivals.Burst). load is that
// of the hub (Load.Value). longest is room.Config.MaxPause; 0 and less: there are no pauses.
//
// After a lone message there is no pause, because clients that send a message when they have
// received the last one would wait each time. In a burst there is one, because the handshakes of
// the clients are more urgent.
func After(sweep time.Duration, lone, burst bool, load float64, longest time.Duration) (pause time.Duration) {
	switch {
	case burst:
		pause = min(burstFactor*sweep, burstLongest*longest)
	case !lone:
		pause = min(factor*sweep, longestAt(load, longest))
	}
	if pause < least {
		return 0
	}
	return pause
}

// The loads that decide how long a shard pauses at most. Between them the pause is linear.
const (
	loadNone      = 1.0 / 16 // up to this load there is no pause
	loadShortFrom = 1.0 / 4  // from here ...
	loadShortTo   = 3.0      // ... to here the pause is shortPause
	loadFull      = 5.0      // from here on it is room.Config.MaxPause

	shortPause = 5 * time.Millisecond
)

// longestAt returns how long a shard pauses at most at a load. longest is room.Config.MaxPause.
func longestAt(load float64, longest time.Duration) time.Duration {
	short := min(shortPause, longest)
	return time.Duration(float64(short)*ramp(loadNone, load, loadShortFrom)) +
		time.Duration(float64(longest-short)*ramp(loadShortTo, load, loadFull))
}

// Gather returns how long an engine gathers messages after it has stored some (engine.Pacer), at a load of the hub.
// longest is room.Config.MaxPause. Messages for a busy room wait there anyway. If they come one by one from an engine
// with a store, each wakes a dozen goroutines, which takes 0.1 ms of CPU time: more than storing it.
func Gather(load float64, longest time.Duration) time.Duration {
	return time.Duration(float64(min(gatherPause, max(longest, 0))) * ramp(gatherNone, load, loadFull))
}

// The pause of an engine is linear between no pause, up to the load gatherNone, and gatherPause, from loadFull on.
const (
	gatherNone  = 1.0
	gatherPause = 4 * time.Millisecond
)

// ramp is 0 up to low, 1 from high on, and linear between them.
func ramp(low, x, high float64) float64 { return min(max((x-low)/(high-low), 0), 1) }
