package api

import (
	"webim/room/apikey"
	"webim/room/name"
)

// batchName is the name of the method batch, which needs no right of its own.
const batchName = "batch"

// aboutRooms is a request that names rooms. rooms returns pointers to the names, some of which may be "".
type aboutRooms interface{ rooms() []*string }

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
