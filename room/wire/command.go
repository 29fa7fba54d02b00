package wire

import (
	"fmt"

	"github.com/centrifugal/protocol"
)

// Method is what a command asks for.
type Method uint8

// The commands of the protocol. Unknown is one of a later version: it has an id
// and a request that this version cannot see.
const (
	Unknown Method = iota
	Pong           // the empty command, an answer to a ping; it gets no reply
	Connect
	Refresh
	Subscribe
	SubRefresh
	Unsubscribe
	Publish
	Presence
	PresenceStats
	History
	RPC
	Send // gets no reply
	Ping
)

var methodNames = [...]string{
	"unknown", "pong", "connect", "refresh", "subscribe", "sub_refresh", "unsubscribe",
	"publish", "presence", "presence_stats", "history", "rpc", "send", "ping",
}

// String is the method's name in the protocol, as logs and metrics show it.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return methodNames[Unknown]
}

// classify tells what a decoded command asks for. A command with two requests
// is refused, though other servers of the protocol take the first: rights are
// judged by the method, and there must be no doubt which one it is.
func classify(c *protocol.Command) (Method, *protocol.Command, error) {
	method, requests := Unknown, 0
	for m, asked := range [...]bool{
		Connect:       c.Connect != nil,
		Refresh:       c.Refresh != nil,
		Subscribe:     c.Subscribe != nil,
		SubRefresh:    c.SubRefresh != nil,
		Unsubscribe:   c.Unsubscribe != nil,
		Publish:       c.Publish != nil,
		Presence:      c.Presence != nil,
		PresenceStats: c.PresenceStats != nil,
		History:       c.History != nil,
		RPC:           c.Rpc != nil,
		Send:          c.Send != nil,
		Ping:          c.Ping != nil,
	} {
		if asked {
			method = Method(m)
			requests++
		}
	}
	switch {
	case requests > 1:
		return 0, nil, ErrTwoRequests
	case requests == 0 && c.Id == 0:
		return Pong, nil, nil
	case c.Id == 0 && method != Send:
		return 0, nil, ErrNoID
	}
	return method, c, nil
}

// Check looks at what can be wrong with a command by itself, whoever sent it:
// names that are missing, too long or no names, and features that are not
// offered. It returns nil or the ErrorCode to reply with, ErrMethodNotFound,
// ErrBadRequest, perhaps with a sentence, or ErrNotAvailable. Data is not looked at: see
// Data. The names of rooms are put in their one spelling: see RoomName. Only who
// subscribes has to name the room as RoomName does: see checkSubscribe.
//
// Extras that a client only proposes (delta, dict, most of flag) are no fault: they
// are declined by leaving them out of the reply.
func Check(method Method, c *protocol.Command) error {
	switch method {
	case Unknown:
		return ErrMethodNotFound
	case Connect:
		return checkConnect(c.Connect)
	case Subscribe:
		r := c.Subscribe
		if r.Type != 0 || r.Tf != nil {
			return ErrNotAvailable
		}
		return checkSubscribe(r)
	case SubRefresh:
		if c.SubRefresh.Type != 0 {
			return ErrNotAvailable
		}
		return checkNames(&c.SubRefresh.Channel)
	case Unsubscribe:
		return checkNames(&c.Unsubscribe.Channel)
	case Publish:
		if c.Publish.Type != 0 {
			return ErrNotAvailable
		}
		return checkNames(&c.Publish.Channel, c.Publish.Key)
	case Presence:
		return checkNames(&c.Presence.Channel)
	case PresenceStats:
		return checkNames(&c.PresenceStats.Channel)
	case History:
		return checkHistory(c.History)
	case RPC:
		return checkLengths(c.Rpc.Method)
	}
	return nil
}

// checkSubscribe refuses another spelling of a room's name, and tells the right one. What
// is said in a room is encoded once for all its members and bears the room's name; client
// libraries find the subscription by exactly the name that they asked for, and would drop
// all of it without a word. The names are escaped, for they may look the same.
func checkSubscribe(r *protocol.SubscribeRequest) error {
	asked := r.Channel
	err := checkNames(&r.Channel, r.Epoch, r.Delta)
	if err == nil && r.Channel != asked {
		return Explain(ErrBadRequest, fmt.Sprintf("bad request: the room that you call %+q has the name %+q here, in the normal form NFC: subscribe by that name", asked, r.Channel))
	}
	return err
}

func checkConnect(r *protocol.ConnectRequest) error {
	var other []string // in another spelling
	for room, sub := range r.Subs {
		if sub.GetTf() != nil {
			return ErrNotAvailable
		}
		name := room
		if err := checkNames(&name, sub.GetEpoch()); err != nil {
			return err
		}
		if name != room {
			other = append(other, room)
		}
	}
	for _, room := range other {
		name, _ := RoomName(room)
		if r.Subs[name] == nil {
			r.Subs[name] = r.Subs[room]
		}
		delete(r.Subs, room)
	}
	return checkLengths(r.Name, r.Version, r.Profile, r.Dict)
}

func checkHistory(r *protocol.HistoryRequest) error {
	// Before the beginning there is nothing: the protocol wants it refused.
	if r.Reverse && r.Since != nil && r.Since.Offset == 0 {
		return ErrBadRequest
	}
	return checkNames(&r.Channel, r.Since.GetEpoch())
}

// checkNames checks the name of a room, puts it in its one spelling, and checks that
// other names are not too long.
func checkNames(room *string, others ...string) error {
	name, err := RoomName(*room)
	if err != nil {
		return ErrBadRequest
	}
	*room = name
	return checkLengths(others...)
}

func checkLengths(names ...string) error {
	for _, name := range names {
		if len(name) > MaxRoomName {
			return ErrBadRequest
		}
	}
	return nil
}
