package suite

import (
	"context"
	"fmt"
	"time"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/scenario"
)

// stage is one measurement.
type stage struct {
	name string
	what string // the load, in a sentence
	run  interface {
		Run(ctx context.Context, cfg client.Config) (*report.Report, error)
	}
	limit time.Duration // a longer run is given up
	show  []string      // names of the figures for the table and the charts
}

func floodStage(rate float64) stage {
	at := fmt.Sprintf("%g msg/s: ", rate)
	return stage{fmt.Sprintf("flood at %g msg/s", rate), "1,000 clients in one room, 20 of them send messages of 128 bytes for 4 s; each goes to all clients.",
		scenario.Flood{Clients: 1000, Senders: 20, Rate: []float64{rate}, Seconds: 4, Size: option.FixedSize(128), Grace: 10 * time.Second}, 40 * time.Second,
		[]string{at + "p50, ms", at + "p99, ms", at + "server CPU per delivery, µs", at + "deliveries a second", at + "lost, doubled or reordered"}}
}

func idleStage(counts ...int) stage {
	return stage{"idle", fmt.Sprintf("%d, then %d idle clients.", counts[0], counts[len(counts)-1]), scenario.Idle{Clients: counts}, 40 * time.Second,
		[]string{"memory per client, bytes", fmt.Sprintf("%d clients: connects a second", counts[len(counts)-1])}}
}

// roomsLoopStage measures many small rooms as fast as possible.
func roomsLoopStage() stage {
	name := "rooms of 5, closed loop"
	return stage{name, "5,000 clients in rooms of 5; each sends a message of 128 bytes when all members of its room have received its last one, for 1 s.",
		scenario.Rooms{Clients: 5000, Members: []int{5}, Rate: []float64{0}, Seconds: 1, Turns: 1, Size: option.FixedSize(128)}, 40 * time.Second,
		[]string{name + ": messages a second", name + ": server CPU per message, µs", name + ": p50, ms", name + ": p99, ms"}}
}

// roomsRateStage has enough rooms that their memory is visible beside the noise of the process.
func roomsRateStage() stage {
	name := "rooms of 5, 2000 msg/s"
	return stage{name, "5,000 clients in rooms of 5; all together send 2,000 messages of 128 bytes a second for 1.5 s, in turns with the floor, a bare loop of one read(2) and five write(2). " +
		"Before that, all clients are idle, first in one room and then in their rooms: the difference is the memory per room.",
		scenario.Rooms{Clients: 5000, Members: []int{5}, Rate: []float64{2000}, Seconds: 1.5, Turns: 1, Floor: true, Weigh: true, Size: option.FixedSize(128), Grace: 10 * time.Second}, 60 * time.Second,
		[]string{name + ": server CPU per message, µs", name + ": CPU per message, times the floor's", name + ": p50, ms", name + ": p99, ms", name + ": memory per room, bytes",
			name + ": lost, doubled, reordered or misrouted"}}
}

func quickStages() []stage { return []stage{idleStage(500, 3000), floodStage(300)} }

func fullStages() []stage {
	return []stage{idleStage(1000, 5000),
		{"fanout", "One message of 128 bytes to 1,000 clients, and the next one when all have received it; 12 times, in turns with the floor, a bare loop of write(2).", scenario.Fanout{Clients: 1000, Rounds: 12, Block: 3, Size: option.FixedSize(128)}, 40 * time.Second,
			[]string{"server: median client, ms", "server: last client, ms", "server: server CPU per delivery, µs", "CPU, times the floor's"}},
		floodStage(300), floodStage(1000), floodStage(3000), roomsLoopStage(), roomsRateStage(),
		{"storm", "2,000 clients are cut at once and come back at once, 3 times; 50 clients stay, send 20 messages of 128 bytes a second, and are measured.", scenario.Storm{Clients: 2000, Rounds: 3, Stay: 50, Rate: 20, Size: option.FixedSize(128)}, 60 * time.Second, []string{"all back, s", "before the cut: p99, ms", "until all are back: p99, ms"}},
		{"slow", "500 clients in one room, 10 of them never read; 20 send 100 messages of 4,096 bytes a second for 6 s. First without the 10.", scenario.Slow{Clients: 500, Stuck: 10, Senders: 20, Rate: 100, Size: option.FixedSize(4096), Seconds: 6}, 60 * time.Second,
			[]string{"without stuck clients: p99, ms", "with stuck clients: p99, ms", "memory per stuck client, bytes"}}}
}
