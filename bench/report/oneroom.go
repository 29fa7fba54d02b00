package report

import (
	"fmt"

	"webim/bench/stat"
)

// OneRoom is the cost of a message to all clients, who are members of one room on all nodes; beside it, that of bare writes to
// as many clients.
type OneRoom struct {
	Members     []int       `json:"members"` // the presence count at the first node and at the last
	Room        OneRoomSide `json:"room"`
	Floor       OneRoomSide `json:"floor"`
	NATS        int64       `json:"nats_pss_bytes"` // after the messages
	ServerAfter int64       `json:"server_pss_bytes_after_messages"`
}

// OneRoomSide has the figures of the nodes or of the floor servers. The costs are of one message.
type OneRoomSide struct {
	Median  stat.Spread `json:"median_client_ms"`
	P99     stat.Spread `json:"p99_client_ms"`
	Last    stat.Spread `json:"last_client_ms"`
	Server  stat.Spread `json:"server_cpu_s"`
	Client  stat.Spread `json:"client_cpu_s"`
	NATS    stat.Spread `json:"nats_cpu_s"`
	Machine stat.Spread `json:"machine_cpu_s"` // all processes and the kernel
	Kernel  stat.Spread `json:"kernel_mb"`     // memory of the kernel after a message, in addition to that before
	Lost    int         `json:"lost"`

	rounds []Round
	costs  []OneRoomCost
}

// OneRoomCost is the cost of one message: CPU times in nanoseconds, and bytes of the kernel.
type OneRoomCost struct{ Server, Client, NATS, Machine, Kernel int64 }

// Add adds a message.
func (s *OneRoomSide) Add(r Round, c OneRoomCost) {
	s.rounds, s.costs, s.Lost = append(s.rounds, r), append(s.costs, c), s.Lost+r.Lost
}

// Finish computes the figures of the messages that were added.
func (s *OneRoomSide) Finish() {
	of := func(unit float64, value func(int) float64) stat.Spread {
		var all []float64
		for i := range s.rounds {
			all = append(all, value(i)/unit)
		}
		return stat.SpreadOf(all)
	}
	s.Median = of(1, func(i int) float64 { return s.rounds[i].Median })
	s.P99 = of(1, func(i int) float64 { return s.rounds[i].P99 })
	s.Last = of(1, func(i int) float64 { return s.rounds[i].Last })
	s.Server = of(1e9, func(i int) float64 { return float64(s.costs[i].Server) })
	s.Client = of(1e9, func(i int) float64 { return float64(s.costs[i].Client) })
	s.NATS = of(1e9, func(i int) float64 { return float64(s.costs[i].NATS) })
	s.Machine = of(1e9, func(i int) float64 { return float64(s.costs[i].Machine) })
	s.Kernel = of(1e6, func(i int) float64 { return float64(s.costs[i].Kernel) })
}

func (s *OneRoomSide) row(name string) []string {
	return []string{name, s.Median.String(), s.P99.String(), s.Last.String(), s.Server.String(), s.Client.String(), s.NATS.String(), s.Machine.String(),
		s.Kernel.String(), fmt.Sprint(s.Lost)}
}

// rows returns the table of times and CPU times.
func (r *OneRoom) rows() [][]string {
	rows := [][]string{{"a message to all", "median client ms", "99th client ms", "last client ms", "servers CPU s", "clients CPU s", "NATS CPU s", "machine CPU s",
		"kernel memory +MB", "lost"},
		r.Room.row("one room")}
	if r.Floor.Last.Median > 0 {
		ratio := func(of func(*OneRoomSide) stat.Spread) string {
			return stat.Cell(stat.Ratio(of(&r.Room), of(&r.Floor)))
		}
		rows = append(rows, r.Floor.row("bare writes"), []string{"ratio of the medians",
			ratio(func(s *OneRoomSide) stat.Spread { return s.Median }), ratio(func(s *OneRoomSide) stat.Spread { return s.P99 }),
			ratio(func(s *OneRoomSide) stat.Spread { return s.Last }), ratio(func(s *OneRoomSide) stat.Spread { return s.Server }),
			ratio(func(s *OneRoomSide) stat.Spread { return s.Client }), "", ratio(func(s *OneRoomSide) stat.Spread { return s.Machine }), "", ""})
	}
	return rows
}

// memory returns the table of members and memory.
func (r *OneRoom) memory(clients int) [][]string {
	return [][]string{{"clients", "members at the first and last node", "servers MB after the messages", "NATS server MB"},
		{fmt.Sprint(clients), fmt.Sprint(r.Members), stat.Cell(float64(r.ServerAfter) / 1e6), stat.Cell(float64(r.NATS) / 1e6)}}
}
