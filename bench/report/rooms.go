package report

import (
	"fmt"

	"webim/bench/stat"
)

// RoomsResult has a step for each number of members and each rate.
type RoomsResult struct {
	Steps []RoomsStep `json:"steps"`
}

// RoomsStep is the result for one number of members and one rate. A ratio is that of a turn of the server to the turn of
// the floor that followed.
type RoomsStep struct {
	Members  int         `json:"members"` // per room
	Rooms    int         `json:"rooms"`
	Senders  int         `json:"senders_per_room"`
	Rate     float64     `json:"rate"`                  // requested messages per second of all rooms; 0 means a closed loop
	PerRoom  float64     `json:"server_bytes_per_room"` // in addition to the memory with all clients in one room; 0 if it was not measured
	Server   RoomsSide   `json:"server"`
	Floor    *RoomsSide  `json:"floor,omitempty"`
	CPURatio stat.Spread `json:"cpu_ratio"` // per message
	Usage    Usage       `json:"usage"`     // mean of the server's turns

	Usages []Usage `json:"-"` // one per turn of the server
}

// RoomsSide has the figures of the server or the floor: sums over the turns, and spreads of the turns. A delivery is one
// message to one member; duplicates do not count.
type RoomsSide struct {
	Sent        int64        `json:"sent"`
	Expected    int64        `json:"deliveries_expected"`
	Delivered   int64        `json:"deliveries"`
	Lost        int64        `json:"lost"`
	Duplicates  int64        `json:"duplicates"`
	Reordered   int64        `json:"reordered"`
	Foreign     int64        `json:"foreign"`        // deliveries to the wrong room, and messages of another run or program
	Held        int          `json:"held"`           // messages of which the socket accepted no byte at once
	Gone        int          `json:"gone"`           // clients that were closed meanwhile
	Messages    stat.Spread  `json:"messages_per_s"` // received within the window: deliveries divided by members
	Deliveries  stat.Spread  `json:"deliveries_per_s_in_window"`
	PerMessage  stat.Spread  `json:"server_cpu_us_per_message"`
	PerDelivery stat.Spread  `json:"server_cpu_us_per_delivery"`
	Latency     stat.Latency `json:"latency"` // of the deliveries of all turns
	Lag         float64      `json:"sender_lag_p99_ms"`

	Hist  *stat.Hist  `json:"-"` // of all turns
	Late  int64       `json:"-"` // the largest Lag of a turn, in nanoseconds
	Turns []RoomsTurn `json:"-"`
}

// RoomsTurn has the figures of one turn that have a spread.
type RoomsTurn struct{ Deliveries, PerMessage, PerDelivery float64 }

// load returns the name of the load.
func (s *RoomsStep) load() string {
	if s.Rate == 0 {
		return "closed loop"
	}
	return fmt.Sprintf("%g msg/s", s.Rate)
}

// Name is different for each step of a run.
func (s *RoomsStep) Name() string { return fmt.Sprintf("rooms of %d, %s", s.Members, s.load()) }

func (s *RoomsSide) finish(members int) {
	var messages, deliveries, perMessage, perDelivery []float64
	for _, t := range s.Turns {
		messages, deliveries = append(messages, t.Deliveries/float64(members)), append(deliveries, t.Deliveries)
		perMessage, perDelivery = append(perMessage, t.PerMessage), append(perDelivery, t.PerDelivery)
	}
	s.Messages, s.Deliveries, s.PerMessage, s.PerDelivery = stat.SpreadOf(messages), stat.SpreadOf(deliveries), stat.SpreadOf(perMessage), stat.SpreadOf(perDelivery)
	s.Latency, s.Lag = s.Hist.Latency(), stat.MS(s.Late)
}

func (s *RoomsStep) Finish() {
	s.Server.finish(s.Members)
	for _, u := range s.Usages {
		n := float64(len(s.Usages))
		s.Usage.Seconds += u.Seconds
		s.Usage.Server, s.Usage.Client, s.Usage.Others = s.Usage.Server+u.Server/n, s.Usage.Client+u.Client/n, s.Usage.Others+u.Others/n
		s.Usage.Thread = max(s.Usage.Thread, u.Thread)
	}
	if s.Floor == nil {
		return
	}
	s.Floor.finish(s.Members)
	var ratios []float64
	for i := range min(len(s.Server.Turns), len(s.Floor.Turns)) {
		if b := s.Floor.Turns[i].PerMessage; b > 0 {
			ratios = append(ratios, s.Server.Turns[i].PerMessage/b)
		}
	}
	s.CPURatio = stat.SpreadOf(ratios)
	s.CPURatio.Median = stat.Ratio(s.Server.PerMessage, s.Floor.PerMessage)
}

func (r *RoomsResult) rows() [][]string {
	rows := [][]string{{"rooms", "of", "load", "", "messages/s", "deliveries/s", "lost", "dup", "reord", "misrouted", "p50 ms", "p99", "max", "server µs/message", "× floor",
		"µs/delivery", "server cores", "client cores", "bytes/room", "gone"}}
	for i := range r.Steps {
		s := &r.Steps[i]
		rows = append(rows, append(s.Server.row(s, "server"), stat.Cell(s.Usage.Server), stat.Cell(s.Usage.Client), stat.Cell(s.PerRoom), fmt.Sprint(s.Server.Gone)))
		if s.Floor != nil {
			rows = append(rows, append(s.Floor.row(s, "floor"), "", "", "", fmt.Sprint(s.Floor.Gone)))
		}
	}
	return rows
}

func (s *RoomsSide) row(step *RoomsStep, name string) []string {
	ratio := ""
	if s == &step.Server && step.Floor != nil {
		ratio = step.CPURatio.String()
	}
	n, l := func(v int64) string { return fmt.Sprint(v) }, s.Latency
	return []string{fmt.Sprint(step.Rooms), fmt.Sprint(step.Members), step.load(), name, fmt.Sprintf("%.0f", s.Messages.Median), fmt.Sprintf("%.0f", s.Deliveries.Median),
		n(s.Lost), n(s.Duplicates), n(s.Reordered), n(s.Foreign), stat.Cell(l.P50), stat.Cell(l.P99), stat.Cell(l.Max), s.PerMessage.String(), ratio, stat.Cell(s.PerDelivery.Median)}
}

func (l *figureList) rooms(r RoomsResult) {
	for i := range r.Steps {
		s := &r.Steps[i]
		where := s.Name()
		l.latency(where, s.Server.Latency)
		l.spread(where, "server CPU per message, µs", s.Server.PerMessage)
		l.spread(where, "server CPU per delivery, µs", s.Server.PerDelivery)
		l.spread(where, "CPU per message, times the floor's", s.CPURatio)
		l.moreSpread(where, "messages a second", s.Server.Messages)
		l.moreSpread(where, "deliveries a second", s.Server.Deliveries)
		l.count(where, "lost, doubled, reordered or misrouted", s.Server.Lost+s.Server.Duplicates+s.Server.Reordered+s.Server.Foreign)
		l.count(where, "clients closed", int64(s.Server.Gone))
		l.add(where, "memory per room, bytes", max(0, s.PerRoom))
	}
}
