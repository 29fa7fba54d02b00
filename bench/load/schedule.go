package load

// Schedule says when each message of an open loop is due, and from which sender: message i at start + i/rate, from sender i modulo senders. It depends on nothing
// that happens.
type Schedule struct {
	Start    int64   // of the window, by now()
	Interval float64 // between messages, in nanoseconds
	Total    int
	Senders  int
	End      int64 // of the window
}

func NewSchedule(start int64, rate, seconds float64, senders int) Schedule {
	s := Schedule{Start: start, Interval: 1e9 / rate, Total: max(1, int(rate*seconds+0.5)), Senders: senders}
	s.End = start + int64(float64(s.Total)*s.Interval)
	return s
}

// Due returns when message seq is meant to be sent. A float64 is exact to the nanosecond for 100 days.
func (s Schedule) Due(seq uint32) int64 { return s.Start + int64(float64(seq)*s.Interval) }
