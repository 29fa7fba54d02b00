package apikey

import (
	"fmt"
	"strings"

	"webim/room/name"
)

// A Key lets a backend use the server API. It must not change after NewGuard has it.
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
// history@team-*, *@team-*. It does not know which methods exist. The error is a sentence without a
// full stop.
func ParseRight(text string) (Right, error) {
	method, rooms, scoped := strings.Cut(text, "@")
	if method == "" {
		return Right{}, fmt.Errorf("%q names no method: write the name of a method, as publish, or *", text)
	}
	if scoped && rooms == "" {
		return Right{}, fmt.Errorf("%q names no rooms: write a pattern after the @, or leave out the @", text)
	}
	return Right{method, name.Normal(rooms)}, nil
}

// OpensSomewhere reports whether the key has a right to a method, in any room or everywhere.
func (k *Key) OpensSomewhere(method string) bool {
	for _, r := range k.Rights {
		if r.Method == method || r.Method == "*" {
			return true
		}
	}
	return len(k.Rights) == 0
}

// Opens reports whether the key has a right to a method in a room. The name is in normal form. ""
// stands for a request about no room in particular.
func (k *Key) Opens(method, room string) bool {
	for _, r := range k.Rights {
		if (r.Method == method || r.Method == "*") && (r.Rooms == "" || room != "" && name.Match(r.Rooms, room)) {
			return true
		}
	}
	return len(k.Rights) == 0
}
