package identity

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"webim/netpoll"
	"webim/room/engine"
)

// plainPrefix begins the client ids of connections that have no session.
const plainPrefix = "plain-"

// PlainID returns the connection of a client id that a connection without a session has.
func PlainID(client string) (id netpoll.ID, ok bool) {
	number, ok := strings.CutPrefix(client, plainPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 16, 64)
	return netpoll.ID(n), err == nil
}

// AuthorOf returns a connection as the members of a room see it; "": as all others see it. A connection
// without a session has a client id, too.
func AuthorOf(c netpoll.Conn, room string) engine.Author {
	if s := SessionOf(c); s != nil {
		return s.AuthorIn(room)
	}
	who := Of(c)
	return engine.Author{User: who.User, Client: PlainClientID(c.ID()), ConnInfo: who.Info}
}

// PlainClientID returns the client id of a connection without a session.
func PlainClientID(id netpoll.ID) string { return fmt.Sprintf(plainPrefix+"%x", id) }

// SenderOf returns a session as the author of its messages, which must not be changed. The result is the
// same Author each time, unless a new token has changed it.
func SenderOf(s Session) *engine.Author {
	last, who := &s.state().makeBusy().sender, s.Identity()
	if a := last.Load(); a != nil && a.User == who.User && bytes.Equal(a.ConnInfo, who.Info) {
		return a
	}
	a := s.AuthorIn("")
	last.Store(&a)
	return &a
}
