package bench

import (
	"fmt"
	"time"
)

// comers are clients that come at a fixed rate, each due at a time that depends on nothing that happens, stay for a time and go: every second one says goodbye
// by a close frame, the others are cut. What they get is not checked.
type comers struct {
	fleet      *Fleet
	interval   float64 // between arrivals, in nanoseconds
	stay       int64
	stop, done chan struct{}
	res        ComersResult
}

// ComersResult is what became of them.
type ComersResult struct {
	PerSecond float64        `json:"came_per_s"`
	Came      int            `json:"came"`      // handshakes that ended well
	Refused   int            `json:"refused"`   // and badly
	Skipped   int            `json:"skipped"`   // that did not come, because those before them were still there
	CutOff    int            `json:"cut_off"`   // that the server closed before their time
	Goodbyes  int            `json:"goodbyes"`  // close frames sent
	Unheard   int            `json:"unheard"`   // of these, not answered within a second
	Handshake Latency        `json:"handshake"` // from the time the client was due
	Failures  map[string]int `json:"failures"`
}

const (
	comersTick    = 10 * time.Millisecond
	patienceOfBye = 1e9 // for the answer to a close frame, in nanoseconds
)

func checkComers(rate float64, stay time.Duration) error {
	if rate <= 0 || stay <= 0 || rate*(stay.Seconds()+1) > 1e6 {
		return badOption("--comers %g --stay %s: give both over zero, and no more than a million at a time", rate, stay)
	}
	return nil
}

// startComers lets clients come to the room of the URL.
func startComers(cfg Config, rate float64, stay time.Duration) (*comers, error) {
	places := int(rate*(stay.Seconds()+patienceOfBye/1e9)*1.2) + 10
	f, err := NewFleet(cfg, places, 1) // a thread of its own: what these get must not delay the checked clients
	if err != nil {
		return nil, err
	}
	v := &comers{fleet: f, interval: 1e9 / rate, stay: int64(stay), stop: make(chan struct{}), done: make(chan struct{})}
	go v.loop()
	return v, nil
}

// visit is one client's time there.
type visit struct {
	c    *client
	ends int64
	bye  bool // a close frame was sent
}

func (v *comers) loop() {
	defer close(v.done)
	start := now()
	var there, leaving []visit // each in the order of ends
	for i := 0; ; {
		for at := start + int64(float64(i)*v.interval); at <= now(); at = start + int64(float64(i)*v.interval) {
			c := v.fleet.clients[i%len(v.fleet.clients)]
			if i++; c.state.Load() != absent {
				v.res.Skipped++
				continue
			}
			v.fleet.come(c, at)
			there = append(there, visit{c: c, ends: at + v.stay, bye: i%2 == 0})
		}
		for len(there) > 0 && there[0].ends <= now() {
			if v.leave(there[0]) {
				leaving = append(leaving, visit{c: there[0].c, ends: now() + patienceOfBye})
			}
			there = there[1:]
		}
		for len(leaving) > 0 && leaving[0].ends <= now() {
			v.unheard(leaving[0].c)
			leaving = leaving[1:]
		}
		select {
		case <-v.stop:
			v.res.PerSecond = float64(v.fleet.shakes().total) * 1e9 / float64(now()-start)
			return
		case <-time.After(comersTick):
		}
	}
}

// come dials one client, which was due at a time, and does not wait for it.
func (f *Fleet) come(c *client, due int64) {
	f.waiting.Add(1)
	c.w.post(func() {
		c.due = due
		c.w.todo = append(c.w.todo, c)
	})
}

// leave ends a visit in its way, and reports whether an answer is to be waited for.
func (v *comers) leave(there visit) (wait bool) {
	c := there.c
	c.w.do(func() {
		switch s := c.state.Load(); {
		case s == absent && c.err == errClosed:
			v.res.CutOff++
		case s == absent: // its handshake failed, or is still to be dialed: counted elsewhere
		case s != open:
			c.w.drop(c, errTimeout)
		case there.bye:
			v.res.Goodbyes++
			c.send(appendFrame(nil, opClose, []byte{3, 0xe8}, &c.mask)) // 1000, normal closure
			wait = true
		default:
			c.w.drop(c, errReset)
		}
	})
	return wait
}

// unheard cuts a client whose goodbye was not answered.
func (v *comers) unheard(c *client) {
	c.w.do(func() {
		if c.state.Load() == open {
			v.res.Unheard++
			c.w.drop(c, errReset)
		}
	})
}

// shakes returns how long the handshakes took, from the time they were due.
func (f *Fleet) shakes() *Hist {
	h := &Hist{}
	for _, w := range f.workers {
		w.do(func() { h.Merge(&w.shakes) })
	}
	return h
}

// end sends all away and says what became of them.
func (v *comers) end() ComersResult {
	close(v.stop)
	<-v.done
	h := v.fleet.shakes()
	v.res.Came, v.res.Handshake = int(h.Count()), h.Latency()
	v.res.Failures, v.res.Refused = v.fleet.Failures(), int(v.fleet.failed.Load())
	v.fleet.Close()
	return v.res
}

func (r ComersResult) rows() [][]string {
	n := func(v int) string { return fmt.Sprint(v) }
	return [][]string{{"came", "a second", "refused", "skipped", "cut off", "goodbyes", "unheard", "handshake p50 ms", "p99", "max"},
		{n(r.Came), cell(r.PerSecond), n(r.Refused), n(r.Skipped), n(r.CutOff), n(r.Goodbyes), n(r.Unheard), cell(r.Handshake.P50), cell(r.Handshake.P99), cell(r.Handshake.Max)}}
}
