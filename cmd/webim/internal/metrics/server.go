package metrics

import (
	"strings"

	"webim/netpoll"
	"webim/room/identity"
	"webim/room/wire"
)

var (
	connections    = gauge("webim_connections", "Connections now. Until a client has upgraded, its dialect is none; once it is closing, any. A Centrifuge client is connecting until its connect command is answered.", "dialect", "state")
	maxConnections = gauge("webim_connections_limit", "The maximum number of connections.")
	accepted       = counter("webim_connections_accepted_total", "Connections taken from the kernel.")
	opened         = counter("webim_connections_opened_total", "WebSocket handshakes that succeeded.")
	refused        = counter("webim_connections_refused_total", "Connections refused before they were open, by reason.", "reason")
	closed         = counter("webim_connections_closed_total", "Connections that have ended, by cause, also of those that never opened.", "cause")
	lagging        = gauge("webim_connections_lagging", "Connections whose socket has refused output, now.")
	acceptPauses   = counter("webim_accept_pauses_total", "Times that no file descriptor was free for a new connection.")

	received      = counter("webim_messages_received_total", "Text and binary messages from clients, including commands.")
	sent          = counter("webim_messages_sent_total", "Text and binary messages to clients, once for each receiver, including replies.")
	receivedBytes = counter("webim_received_bytes_total", "Bytes read from sockets.")
	sentBytes     = counter("webim_sent_bytes_total", "Bytes written to sockets.")
	queued        = gauge("webim_queued_bytes", "Bytes that wait for sockets, shared ones counted once.")
	unfinished    = gauge("webim_unfinished_bytes", "Bytes of incoming messages that are not complete.")
	evictions     = counter("webim_evictions_total", "Connections closed because all queues together were too large.")
	readPauses    = counter("webim_read_pauses_total", "Times that a connection was not read for a while because of the cost of its input.")
	panics        = counter("webim_panics_total", "Panics of callbacks. Each is a fault of webim.")

	workers     = gauge("webim_workers", "Worker goroutines.")
	workersBusy = gauge("webim_workers_busy", "Worker goroutines that have work now.")
	workerTime  = counter("webim_worker_busy_seconds_total", "Time for which workers had work, added up.")
	turnWait    = histogram("webim_turn_wait_seconds", "Time that connections and rooms with work waited for a worker. One in 16 is measured.")

	tlsConnections = gauge("webim_tls_connections", "Open connections over TLS.")
	tlsHandshakes  = counter("webim_tls_handshakes_total", "TLS handshakes, by result.", "result")
	certificate    = gauge("webim_tls_certificate_expiry_timestamp_seconds", "Time at which the certificate in use expires; only with TLS.")
)

// label turns the name of a cause or a reason into a value of a label.
func label(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), ",", ""), " ", "_")
}

// server adds the numbers of the clients' server, except those by dialect.
func (c *collector) server(s scrape) {
	st := c.Server.Stats()
	count(s, accepted, st.Accepted)
	count(s, opened, st.Opened)
	for _, why := range netpoll.RefusalReasons() {
		count(s, refused, st.Refused[why], label(why))
	}
	for _, cause := range netpoll.Causes() {
		count(s, closed, st.Closed[cause], label(cause.String()))
	}
	count(s, lagging, st.Lagging)
	count(s, acceptPauses, st.AcceptPauses)
	count(s, received, st.MessagesIn)
	count(s, sent, st.MessagesOut)
	count(s, receivedBytes, st.BytesIn)
	count(s, sentBytes, st.BytesOut)
	count(s, queued, st.Queued)
	count(s, unfinished, st.Unfinished)
	count(s, evictions, st.Evictions)
	count(s, readPauses, st.Rests)
	count(s, panics, st.Panics)
	count(s, workers, st.Workers)
	count(s, workersBusy, st.WorkersBusy)
	s.number(workerTime, st.Worked.Seconds())
	s.times(turnWait, st.TurnWait, c.began)
	count(s, tlsConnections, st.TLS)
	count(s, tlsHandshakes, st.TLSDone, "done")
	count(s, tlsHandshakes, st.TLSFailed, "failed")
	if c.Until != nil {
		if until := c.Until(); !until.IsZero() {
			count(s, certificate, until.Unix())
		}
	}
	count(s, connections, st.Handshaking, "none", "handshake")
	count(s, connections, st.HTTP, "none", "http")
	count(s, connections, st.Closing, "any", "closing")
}

// connections counts the open connections by dialect.
func (c *collector) connections(s scrape) {
	count(s, maxConnections, c.Server.Config().MaxConns)
	plain := 0
	var states [2][2]int // by encoding, and whether it is connected
	for conn := range c.Server.Conns() {
		session := identity.SessionOf(conn)
		switch {
		case session == nil:
			plain++
		case session.Connected():
			states[session.Encoding()][1]++
		default:
			states[session.Encoding()][0]++
		}
	}
	count(s, connections, plain, "plain", "open")
	for _, e := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		count(s, connections, states[e][0], e.String(), "connecting")
		count(s, connections, states[e][1], e.String(), "open")
	}
}
