package bench

import (
	"fmt"
)

// RoomsResult is what rooms gave, a step for each number of members and each rate.
type RoomsResult struct {
	Steps []RoomsStep `json:"steps"`
}

// RoomsStep is one number of members at one rate. Ratios are of neighbouring turns, server to floor.
type RoomsStep struct {
	Members  int        `json:"members"` // of each room
	Rooms    int        `json:"rooms"`
	Senders  int        `json:"senders_per_room"`
	Rate     float64    `json:"rate"`                  // messages a second of all rooms, asked for; 0: a closed loop
	PerRoom  float64    `json:"server_bytes_per_room"` // more than if the clients shared one room; 0: not weighed
	Server   RoomsSide  `json:"server"`
	Floor    *RoomsSide `json:"floor,omitempty"`
	CPURatio Spread     `json:"cpu_ratio"` // server to floor, per message
	Usage    Usage      `json:"usage"`     // of the turns of the server, mean

	usages []Usage
}

// RoomsSide is what the server or the floor showed: sums over the turns, and spreads of them. Deliveries count each message and member once.
type RoomsSide struct {
	Sent        int64   `json:"sent"`
	Expected    int64   `json:"deliveries_expected"`
	Delivered   int64   `json:"deliveries"`
	Lost        int64   `json:"lost"`
	Duplicates  int64   `json:"duplicates"`
	Reordered   int64   `json:"reordered"`
	Foreign     int64   `json:"foreign"`        // deliveries to the wrong room, and messages of somebody else
	Held        int     `json:"held"`           // messages that the server did not take at once
	Gone        int     `json:"gone"`           // clients that ended meanwhile
	Messages    Spread  `json:"messages_per_s"` // that arrived in the window: deliveries by members
	Deliveries  Spread  `json:"deliveries_per_s_in_window"`
	PerMessage  Spread  `json:"server_cpu_us_per_message"`
	PerDelivery Spread  `json:"server_cpu_us_per_delivery"`
	Latency     Latency `json:"latency"` // of all turns' deliveries
	Lag         float64 `json:"sender_lag_p99_ms"`

	hist  *Hist
	lag   int64
	turns []roomsTurn
}

// roomsTurn is the figures of one turn that vary.
type roomsTurn struct{ deliveries, perMessage, perDelivery float64 }

// load names how the messages come.
func (s *RoomsStep) load() string {
	if s.Rate == 0 {
		return "closed loop"
	}
	return fmt.Sprintf("%g msg/s", s.Rate)
}

// name tells the steps of a run apart.
func (s *RoomsStep) name() string { return fmt.Sprintf("rooms of %d, %s", s.Members, s.load()) }

// take adds a turn; cpu is what the server took, in nanoseconds.
func (s *RoomsSide) take(sum *counted, step *RoomsStep, cpu, seconds float64, gone int) {
	sent, got := int64(sum.sent), sum.received.Load()
	s.Sent, s.Expected, s.Delivered = s.Sent+sent, s.Expected+sent*int64(step.Members), s.Delivered+got
	s.Lost = s.Expected - s.Delivered
	s.Duplicates, s.Reordered, s.Foreign = s.Duplicates+sum.duplicates, s.Reordered+sum.reordered, s.Foreign+sum.foreign
	s.Held, s.Gone, s.lag = s.Held+sum.held, s.Gone+gone, max(s.lag, sum.lag)
	if s.hist == nil {
		s.hist = &Hist{}
	}
	s.hist.Merge(&sum.hist)
	s.turns = append(s.turns, roomsTurn{float64(sum.inWindow) / seconds, cpu / 1e3 / float64(max(sent, 1)), cpu / 1e3 / float64(max(got, 1))})
}

func (s *RoomsSide) finish(members int) {
	var messages, deliveries, perMessage, perDelivery []float64
	for _, t := range s.turns {
		messages, deliveries = append(messages, t.deliveries/float64(members)), append(deliveries, t.deliveries)
		perMessage, perDelivery = append(perMessage, t.perMessage), append(perDelivery, t.perDelivery)
	}
	s.Messages, s.Deliveries, s.PerMessage, s.PerDelivery = spreadOf(messages), spreadOf(deliveries), spreadOf(perMessage), spreadOf(perDelivery)
	s.Latency, s.Lag = s.hist.Latency(), ms(s.lag)
}

func (s *RoomsStep) finish() {
	s.Server.finish(s.Members)
	for _, u := range s.usages {
		n := float64(len(s.usages))
		s.Usage.Seconds += u.Seconds
		s.Usage.Server, s.Usage.Client, s.Usage.Others = s.Usage.Server+u.Server/n, s.Usage.Client+u.Client/n, s.Usage.Others+u.Others/n
		s.Usage.Thread = max(s.Usage.Thread, u.Thread)
	}
	if s.Floor == nil {
		return
	}
	s.Floor.finish(s.Members)
	var ratios []float64
	for i := range min(len(s.Server.turns), len(s.Floor.turns)) {
		if b := s.Floor.turns[i].perMessage; b > 0 {
			ratios = append(ratios, s.Server.turns[i].perMessage/b)
		}
	}
	s.CPURatio = spreadOf(ratios)
	s.CPURatio.Median = quotient(s.Server.PerMessage, s.Floor.PerMessage)
}

func (r *RoomsResult) rows() [][]string {
	rows := [][]string{{"rooms", "of", "load", "", "messages/s", "deliveries/s", "lost", "dup", "reord", "misrouted", "p50 ms", "p99", "max", "server µs/message", "× floor",
		"µs/delivery", "server cores", "client cores", "bytes/room", "gone"}}
	for i := range r.Steps {
		s := &r.Steps[i]
		rows = append(rows, append(s.Server.row(s, "server"), cell(s.Usage.Server), cell(s.Usage.Client), cell(s.PerRoom), fmt.Sprint(s.Server.Gone)))
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
		n(s.Lost), n(s.Duplicates), n(s.Reordered), n(s.Foreign), cell(l.P50), cell(l.P99), cell(l.Max), s.PerMessage.String(), ratio, cell(s.PerDelivery.Median)}
}

func (l *figureList) rooms(r RoomsResult) {
	for i := range r.Steps {
		s := &r.Steps[i]
		where := s.name()
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
