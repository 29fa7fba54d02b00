package netpoll

import (
	"sync/atomic"
	"time"

	"webim/netpoll/durations"
)

// Stats is a snapshot of the server's counters. Each number is exact, but they are not read at one
// instant. Swoole's stats.
type Stats struct {
	Accepted     int64            // connections taken from the kernel
	Refused      map[string]int64 // turned away before they opened, by reason
	Opened       int64            // handshakes done
	Open         int64            // open now, those that are closing included
	Closing      int              // of Open, those whose close has begun
	TLS          int              // of Open, those over TLS
	Handshaking  int64            // not open yet, now, refusals under way included
	HTTP         int64            // with net/http, now
	Closed       map[Cause]int64  // by cause
	TLSDone      int64            // TLS handshakes that succeeded
	TLSFailed    int64            // TLS handshakes that were begun and failed
	MessagesIn   int64            // text and binary messages, of open connections and closed ones
	MessagesOut  int64            // as MessagesIn; one for each receiver
	BytesIn      int64            // as MessagesIn, bytes on the socket
	BytesOut     int64
	Queued       int64            // bytes that queues hold now, shared frames once
	Lagging      int              // connections whose socket has refused something, now
	Unfinished   int64            // bytes of unfinished input, now
	Evictions    int64            // connections closed because Queued was at its limit
	Rests        int64            // times that the Treatment of a Meter stopped the reading of a connection
	Panics       int64            // of callbacks
	AcceptPauses int64            // times that no descriptor was free
	Workers      int              // in all
	WorkersBusy  int              // of them, with work now
	Worked       time.Duration    // the time that they were busy, added up
	TurnWait     durations.Counts // times of turns from queued to running, of one in 16
	TurnP50      time.Duration    // quantiles of TurnWait
	TurnP99      time.Duration
}

// Stats reads the counters. It visits all connections, which takes some 10 ns each.
func (s *Server) Stats() Stats {
	c := &s.stats
	st := Stats{
		Accepted: c.accepted.Load(), Opened: c.opened.Load(), Open: c.open.Load(), HTTP: s.httpConns.Slots(),
		Refused: s.refusals.Counts(), Closed: map[Cause]int64{},
		MessagesIn: c.messagesIn.Load(), MessagesOut: c.messagesOut.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		Queued: s.queued.Load(), Unfinished: s.unfinished.Load(), Evictions: c.evictions.Load(),
		Rests: c.rests.Load(), Panics: c.panics.Load(), AcceptPauses: c.acceptPauses.Load(),
		Workers: s.cfg().Workers,
	}
	st.WorkersBusy, st.Worked = s.ready.Use()
	st.TurnWait = s.latency.Counts()
	st.TurnP50, st.TurnP99 = st.TurnWait.Quantile(0.50), st.TurnWait.Quantile(0.99)
	st.TLSDone, st.TLSFailed = c.tlsDone.Load(), c.tlsFailed.Load()
	st.Handshaking = max(0, s.open.Load()-st.Open-st.HTTP)
	for cause := range c.closed {
		if n := c.closed[cause].Load(); n > 0 {
			st.Closed[Cause(cause)] = n
		}
	}
	for conn := range s.all() {
		if !conn.lock() {
			continue
		}
		r := conn.r
		st.MessagesOut += int64(r.messagesOut)
		st.BytesOut += int64(r.bytesOut)
		st.MessagesIn += int64(atomic.LoadUint64(&r.messagesIn))
		st.BytesIn += int64(atomic.LoadUint64(&r.bytesIn))
		f := r.flags.Load()
		r.mu.Unlock()
		if f&fBlocked != 0 {
			st.Lagging++
		}
		if f&fOpen == 0 {
			continue
		}
		if f&fClosing != 0 {
			st.Closing++
		}
		if f&fTLS != 0 {
			st.TLS++
		}
	}
	return st
}

// addTrafficLocked adds the traffic of a closing connection to the server's. r.mu is held.
func (c *counters) addTrafficLocked(r *record) {
	c.messagesOut.Add(int64(r.messagesOut))
	c.bytesOut.Add(int64(r.bytesOut))
	c.messagesIn.Add(int64(atomic.LoadUint64(&r.messagesIn)))
	c.bytesIn.Add(int64(atomic.LoadUint64(&r.bytesIn)))
}
