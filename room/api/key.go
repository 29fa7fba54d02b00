package api

import (
	"errors"
	"fmt"
	"strings"

	"webim/room/name"
	"webim/room/token"
)

// A Key lets a backend use the API. It must not change after New has it.
type Key struct {
	// Name identifies the key in the log, as by="key NAME".
	Name string
	// Secret is the value that requests send. It is never empty.
	Secret string
	// Rights limit the key to some methods. Without rights, the key opens all methods and the live
	// picture.
	Rights []Right
}

// A Right lets a key call a method.
type Right struct {
	Method string // "*" means all methods
	Rooms  string // a pattern, as team-*: only requests about rooms that match; "" means everywhere, also requests about no room
}

// ParseRight parses METHOD or METHOD@ROOMS, in the syntax of a token's roles: publish,
// history@team-*, *@team-*. The error is a sentence without a full stop.
func ParseRight(text string) (Right, error) {
	method, rooms, scoped := strings.Cut(text, "@")
	if _, known := methods[method]; !known && method != "*" {
		return Right{}, fmt.Errorf("there is no method %q: write the name of a method, as publish, or *", method)
	}
	if methods["batch"] == methods[method] && method != "*" {
		return Right{}, errors.New("batch needs no right: each of its commands does")
	}
	if scoped && rooms == "" {
		return Right{}, fmt.Errorf("%q names no rooms: write a pattern after the @, or leave out the @", text)
	}
	return Right{method, name.Normal(rooms)}, nil
}

// mayCall reports whether the key has a right to a method, in any room.
func (k *Key) mayCall(method string) bool {
	for _, r := range k.Rights {
		if r.Method == method || r.Method == "*" {
			return true
		}
	}
	return len(k.Rights) == 0 || method == "batch" // each command of the batch is checked
}

// mayIn reports whether the key has a right to a method in a room. "" stands for a request about no
// room in particular.
func (k *Key) mayIn(method, room string) bool {
	for _, r := range k.Rights {
		if (r.Method == method || r.Method == "*") && (r.Rooms == "" || room != "" && token.Match(r.Rooms, room)) {
			return true
		}
	}
	return len(k.Rights) == 0 || method == "batch"
}

// may reports whether the key has a right to a method in every room that the request names.
func (k *Key) may(method string, request any) bool {
	q, ok := request.(aboutRooms)
	if !ok {
		return k.mayIn(method, "")
	}
	for _, text := range q.rooms() {
		room, err := name.Room(*text)
		if err != nil {
			room = *text // the method reports the invalid name
		}
		if !k.mayIn(method, room) {
			return false
		}
	}
	return true
}
