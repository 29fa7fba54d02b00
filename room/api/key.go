package api

import (
	"errors"
	"fmt"
	"strings"

	"webim/room/apikey"
	"webim/room/name"
)

// ParseRight parses the right of a key, which must name a method of the API or *. See
// apikey.ParseRight for the syntax. The error is a sentence without a full stop.
func ParseRight(text string) (apikey.Right, error) {
	method, _, _ := strings.Cut(text, "@")
	if _, known := methods[method]; !known && method != "*" {
		return apikey.Right{}, fmt.Errorf("there is no method %q: write the name of a method, as publish, or *", method)
	}
	if method == batchName {
		return apikey.Right{}, errors.New("batch needs no right: each of its commands does")
	}
	return apikey.ParseRight(text)
}

// keyCalls reports whether a key has a right to a method, in any room. Every key may call batch,
// because each command of the batch is checked.
func keyCalls(key *apikey.Key, method string) bool {
	return method == batchName || key.OpensSomewhere(method)
}

// keyOpens reports whether a key has a right to a method in every room that the request names.
func keyOpens(key *apikey.Key, method string, request any) bool {
	if method == batchName {
		return true
	}
	q, ok := request.(aboutRooms)
	if !ok {
		return key.Opens(method, "")
	}
	for _, text := range q.rooms() {
		room, err := name.Room(*text)
		if err != nil {
			room = *text // the method reports the invalid name
		}
		if !key.Opens(method, room) {
			return false
		}
	}
	return true
}
