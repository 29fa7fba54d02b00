package flight

import (
	"fmt"
	"time"

	"webim/netpoll"
	"webim/room/wire"
)

// A Record is the end of a connection as operators read it. Times are in unix milliseconds.
type Record struct {
	Node    string   `json:"node"`
	Client  string   `json:"client"` // "" if the connection was never open
	User    string   `json:"user"`
	Address string   `json:"address"` // with the port, if known; unix: a Unix socket
	Dialect string   `json:"dialect"` // plain, json or protobuf; "" if it was never open
	TLS     bool     `json:"tls"`
	Rooms   []string `json:"rooms"`    // some of them
	InRooms int      `json:"in_rooms"` // the number of all

	Opened int64 `json:"opened"`
	Closed int64 `json:"closed"`

	By     string `json:"by"`    // client, network, server, operator or limit
	Cause  string `json:"cause"` // as in the metric of closed connections
	Code   int    `json:"code"`  // of the close, or the HTTP status of a refusal
	Reason string `json:"reason"`

	MessagesIn  uint64 `json:"messages_in"` // from the client
	MessagesOut uint64 `json:"messages_out"`
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`
	LastReceive int64  `json:"last_receive"`
	LastSend    int64  `json:"last_send"`

	HighWater int     `json:"high_water"` // the most bytes that its socket has refused at a time
	RoundTrip float64 `json:"round_trip"` // of the last answered ping, in milliseconds; 0: not known
	Events    []Event `json:"events"`     // the last ones, the oldest first
}

// An Event is something that happened on the connection.
type Event struct {
	At    int64  `json:"at"`
	Kind  string `json:"kind"` // message: from the client; full: the socket took no more; rest: not read for a while; refusal
	Count int    `json:"count"`
	Bytes int    `json:"bytes"`
	What  string `json:"what,omitempty"` // of a refusal
}

// record makes the Record.
func (e *end) record() Record {
	i, f := &e.info, &e.flight
	r := Record{Client: e.clientID(), User: e.user, Address: netpoll.RemoteText(i.Remote), Dialect: e.dialect, TLS: i.TLS, Rooms: e.rooms, InRooms: e.inRooms,
		Opened: millis(i.Opened), Closed: millis(e.at), By: e.why.By.String(), Cause: e.why.Cause.String(), Code: int(e.why.Code), Reason: e.why.Reason,
		MessagesIn: i.MessagesIn, MessagesOut: i.MessagesOut, BytesIn: i.BytesIn, BytesOut: i.BytesOut, LastReceive: millis(i.LastReceive), LastSend: millis(i.LastSend),
		HighWater: f.HighWater, RoundTrip: float64(f.RoundTrip.Microseconds()) / 1000}
	for _, one := range f.Events {
		r.Events = append(r.Events, eventOf(one))
	}
	return r
}

// Code returns the code of a refusal, or of a removal from a room, with its text.
func Code(code uint16) string {
	text := wire.ErrorCode(code).Text()
	switch {
	case code >= 3000:
		text = wire.DisconnectCode(code).Text()
	case code >= 2000:
		text = wire.UnsubscribeCode(code).Text() + ", removed from a room"
	}
	return fmt.Sprintf("%d %s", code, text)
}

func millis(t time.Time) int64 { return t.UnixMilli() }
