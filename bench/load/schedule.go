package load

// Schedule has the due time and the sender of each message of an open loop: message i is due at Start + i × Interval,
// from sender i modulo Senders. It does not depend on anything that happens during the run.
type Schedule struct {
	Start    int64   // beginning of the window, by stat.Now
	Interval float64 // between messages, in nanoseconds
	Total    int
	Senders  int
	End      int64 // end of the window
}

func NewSchedule(start int64, rate, seconds float64, senders int) Schedule {
	s := Schedule{Start: start, Interval: 1e9 / rate, Total: max(1, int(rate*seconds+0.5)), Senders: senders}
	s.End = start + int64(float64(s.Total)*s.Interval)
	return s
}

// Due returns the due time of message seq. The float64 is exact to the nanosecond for 100 days.
func (s Schedule) Due(seq uint32) int64 { return s.Start + int64(float64(seq)*s.Interval) }
