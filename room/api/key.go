package api

import (
	"errors"
	"fmt"
	"strings"

	"webim/room/name"
	"webim/room/token"
)

// A Key opens the API to a backend. It is not changed after it is given to New.
type Key struct {
	// Name says in the log whose key it is: by="key NAME".
	Name string
	// Secret is what requests bring; never empty.
	Secret string
	// Rights are what the key opens; none: everything, and the live picture.
	Rights []Right
}

// A Right lets a key call a method.
type Right struct {
	Method string // "*": all of them
	Rooms  string // a pattern, as team-*: the method in rooms that match; "": everywhere, and about no room
}

// ParseRight reads METHOD or METHOD@ROOMS, as a token's roles are written: publish,
// history@team-*, *@team-*. The error is a sentence, without its stop.
func ParseRight(text string) (Right, error) {
	method, rooms, scoped := strings.Cut(text, "@")
	if _, known := methods[method]; !known && method != "*" {
		return Right{}, fmt.Errorf("there is no method %q: write one as publish, or *", method)
	}
	if methods["batch"] == methods[method] && method != "*" {
		return Right{}, errors.New("batch needs no right: each of its commands does")
	}
	if scoped && rooms == "" {
		return Right{}, fmt.Errorf("%q names no rooms: write a pattern behind the @, or leave it out", text)
	}
	return Right{method, name.Normal(rooms)}, nil
}

// mayCall reports whether the key opens a method at all.
func (k *Key) mayCall(method string) bool {
	for _, r := range k.Rights {
		if r.Method == method || r.Method == "*" {
			return true
		}
	}
	return len(k.Rights) == 0 || method == "batch" // its commands are judged
}

// mayIn reports whether the key opens a method in a room; "" is no room in particular.
func (k *Key) mayIn(method, room string) bool {
	for _, r := range k.Rights {
		if (r.Method == method || r.Method == "*") && (r.Rooms == "" || room != "" && token.Match(r.Rooms, room)) {
			return true
		}
	}
	return len(k.Rights) == 0 || method == "batch"
}

// may judges a request by the rooms that it names.
func (k *Key) may(method string, request any) bool {
	q, ok := request.(aboutRooms)
	if !ok {
		return k.mayIn(method, "")
	}
	for _, text := range q.rooms() {
		room, err := name.Room(*text)
		if err != nil {
			room = *text // the method says what is wrong with it
		}
		if !k.mayIn(method, room) {
			return false
		}
	}
	return true
}
