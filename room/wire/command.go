package wire

import (
	"fmt"

	"github.com/centrifugal/protocol"
)

// Method is the kind of a command.
type Method uint8

// The commands of the protocol. Unknown is a command of a later version: it has an id, and a
// request that this version does not know.
const (
	Unknown Method = iota
	Pong           // the empty command, which answers a ping and gets no reply
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

// String returns the method's name in the protocol, for logs and metrics.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return methodNames[Unknown]
}

// classify returns the method of a decoded command. It refuses a command with two requests,
// although other servers take the first, because the rights depend on the method, and there must be
// no doubt about the method.
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

// Check checks the fields of a command that do not depend on its sender: missing, invalid or too
// long names, and features that the server does not have. It returns nil or the ErrorCode of the
// reply: ErrMethodNotFound, ErrNotAvailable, or ErrBadRequest, possibly with an explanation. It
// does not check data: see Data. It rewrites names of rooms to their normal form: see RoomName.
// Only subscribe must already have the normal form: see checkSubscribe.
//
// Options that a client only proposes (delta, dict, most of flag) are not errors: the server
// declines them by leaving them out of the reply.
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

// checkSubscribe refuses a room's name that is not in the normal form, and tells the client the
// normal form. A publication is encoded once for all members of the room and has the room's normal
// name. Client libraries look up the subscription by exactly the name that they sent, so they would
// silently drop all publications. The error escapes both names, because they may look the same.
func checkSubscribe(r *protocol.SubscribeRequest) error {
	asked := r.Channel
	err := checkNames(&r.Channel, r.Epoch, r.Delta)
	if err == nil && r.Channel != asked {
		return Explain(ErrBadRequest, fmt.Sprintf("bad request: the name %+q is not in the normal form NFC: subscribe to %+q", asked, r.Channel))
	}
	return err
}

func checkConnect(r *protocol.ConnectRequest) error {
	var other []string // names in another spelling
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
	// There is nothing before the beginning, and the protocol demands an error.
	if r.Reverse && r.Since != nil && r.Since.Offset == 0 {
		return ErrBadRequest
	}
	return checkNames(&r.Channel, r.Since.GetEpoch())
}

// checkNames checks the name of a room, rewrites it to its normal form, and checks that the other
// names are not too long.
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
