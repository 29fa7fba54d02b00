package scenario

import (
	"time"

	"webim/bench/client"
	"webim/bench/load"
	"webim/bench/option"
	"webim/bench/report"
	"webim/bench/stat"
	"webim/bench/ws"
)

// transients are clients that connect at a fixed rate, stay for a time, and leave. The due time of a client depends on
// nothing that happens. Every second one sends a close frame; the others are cut. The messages that they receive are not
// checked.
type transients struct {
	fleet      *load.Local
	interval   float64 // between arrivals, in nanoseconds
	stay       int64
	stop, done chan struct{}
	res        report.TransientResult
}

const (
	transientTick = 10 * time.Millisecond
	closeTimeout  = 1e9 // limit for the answer to a close frame, in nanoseconds
)

func checkTransients(rate float64, stay time.Duration) error {
	if rate <= 0 || stay <= 0 || rate*(stay.Seconds()+1) > 1e6 {
		return option.Bad("--comers %g --stay %s: give values greater than 0, and at most a million clients at a time", rate, stay)
	}
	return nil
}

// startTransients lets transient clients connect to the room of the URL.
func startTransients(cfg client.Config, rate float64, stay time.Duration) (*transients, error) {
	places := int(rate*(stay.Seconds()+closeTimeout/1e9)*1.2) + 10
	f, err := load.NewLocal(cfg, places, 1) // a thread of its own, so that these clients do not delay the checked ones
	if err != nil {
		return nil, err
	}
	v := &transients{fleet: f, interval: 1e9 / rate, stay: int64(stay), stop: make(chan struct{}), done: make(chan struct{})}
	go v.loop()
	return v, nil
}

// stay is the time of one client in the room.
type stay struct {
	c     *client.Client
	ends  int64
	close bool // leave with a close frame
}

func (v *transients) loop() {
	defer close(v.done)
	start := stat.Now()
	var connected, leaving []stay // each in the order of ends
	for i := 0; ; {
		for at := start + int64(float64(i)*v.interval); at <= stat.Now(); at = start + int64(float64(i)*v.interval) {
			c := v.fleet.Clients[i%len(v.fleet.Clients)]
			if i++; !c.IsAbsent() {
				v.res.Skipped++
				continue
			}
			v.fleet.Arrive(c, at)
			connected = append(connected, stay{c: c, ends: at + v.stay, close: i%2 == 0})
		}
		for len(connected) > 0 && connected[0].ends <= stat.Now() {
			if v.leave(connected[0]) {
				leaving = append(leaving, stay{c: connected[0].c, ends: stat.Now() + closeTimeout})
			}
			connected = connected[1:]
		}
		for len(leaving) > 0 && leaving[0].ends <= stat.Now() {
			v.noAnswer(leaving[0].c)
			leaving = leaving[1:]
		}
		select {
		case <-v.stop:
			v.res.PerSecond = float64(v.fleet.ArrivalTimes().Total) * 1e9 / float64(stat.Now()-start)
			return
		case <-time.After(transientTick):
		}
	}
}

// leave lets a client leave, and reports whether it waits for an answer.
func (v *transients) leave(s stay) (wait bool) {
	c := s.c
	c.Do(func() {
		switch {
		case c.IsAbsent() && c.Err == client.ErrClosed:
			v.res.CutOff++
		case c.IsAbsent(): // its handshake failed, or has not begun; both are counted elsewhere
		case !c.IsOpen():
			c.Drop(client.ErrTimeout)
		case s.close:
			v.res.Goodbyes++
			c.Send(ws.AppendFrame(nil, ws.Close, []byte{3, 0xe8}, &c.Mask)) // 1000, normal closure
			wait = true
		default:
			c.Drop(client.ErrReset)
		}
	})
	return wait
}

// noAnswer cuts a client if its close frame was not answered.
func (v *transients) noAnswer(c *client.Client) {
	c.Do(func() {
		if c.IsOpen() {
			v.res.Unheard++
			c.Drop(client.ErrReset)
		}
	})
}

// end cuts all transient clients and returns the result.
func (v *transients) end() report.TransientResult {
	close(v.stop)
	<-v.done
	h := v.fleet.ArrivalTimes()
	v.res.Came, v.res.Handshake = int(h.Count()), h.Latency()
	v.res.Failures, v.res.Refused = v.fleet.Failures(), int(v.fleet.HandshakesFailed())
	v.fleet.Close()
	return v.res
}
