package live

import (
	"net/netip"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/token"
)

// FeedPath is the path of the socket. The same server may serve other sockets at other paths.
const FeedPath = "/live/feed"

// Close codes for watchers.
const (
	CodeBadRequest ws.StatusCode = 4400 // the message is not understood
	CodeDenied     ws.StatusCode = 4401 // neither a key nor a token with the right to watch
	CodeEnded      ws.StatusCode = 4403 // the token has expired or is no longer valid
	CodeLate       ws.StatusCode = 4408 // the connection did not authenticate in time
	CodeFull       ws.StatusCode = 4429 // the maximum number of watchers or waiting connections is reached
)

// maxRequest is the maximum size of a message from a watcher, in bytes: a token and its field.
const maxRequest = token.MaxToken + 64

// request is a message from a watcher: exactly one of the fields.
type request struct {
	Key   *string `json:"key"`
	Token *string `json:"token"`
	Find  *quest  `json:"find"`
}

// quest names the user or the connection to search for: one of the two.
type quest struct {
	User   string `json:"user"`
	Client string `json:"client"`
}

// parse parses a request; ok is false if data is not a valid request.
func parse(op ws.OpCode, data []byte) (q request, ok bool) {
	if op != ws.OpText || len(data) > maxRequest || json.Unmarshal(data, &q, json.RejectUnknownMembers(true)) != nil {
		return request{}, false
	}
	said := 0
	for _, there := range []bool{q.Key != nil, q.Token != nil, q.Find != nil} {
		if there {
			said++
		}
	}
	return q, said == 1 && (q.Find == nil || (q.Find.User == "") != (q.Find.Client == ""))
}

// helloMessage confirms the authentication.
type helloMessage struct {
	Hello hello `json:"hello"`
}

type hello struct {
	Node    string   `json:"node"`
	Version string   `json:"version"`
	Every   int64    `json:"every"` // interval of figures in milliseconds
	Methods []string `json:"methods"`
}

// pastMessage holds the figures from before the watcher joined.
type pastMessage struct {
	Past []Figures `json:"past"`
}

// nowMessage holds the figures of one second.
type nowMessage struct {
	Now     Figures      `json:"now"`
	Largest []roomJSON   `json:"largest"`
	Slowest []clientJSON `json:"slowest"`
}

// foundMessage is the answer to a search.
type foundMessage struct {
	Found found `json:"found"`
}

type found struct {
	quest
	At          int64             `json:"at"` // unix milliseconds
	All         int               `json:"all"`
	Connections []clientRoomsJSON `json:"connections"`
}

type roomJSON struct {
	Name    string `json:"name"`
	Members int    `json:"members"`
	Unswept int64  `json:"unswept"`
}

func roomsJSON(all []room.Size) []roomJSON {
	list := make([]roomJSON, len(all))
	for i, r := range all {
		list[i] = roomJSON{r.Name, r.Members, r.Unswept}
	}
	return list
}

// clientJSON is a seenClient; times are in unix milliseconds.
type clientJSON struct {
	Client  string `json:"client"`
	User    string `json:"user"`
	Dialect string `json:"dialect"`
	Address string `json:"address"` // with the port, if known; "" for a Unix socket
	IP      string `json:"ip"`
	TLS     bool   `json:"tls"`
	Opened  int64  `json:"opened"`
	Took    int64  `json:"took"` // the time at which the socket last accepted data
	Queued  int    `json:"queued"`
}

// clientRoomsJSON is a seenRooms.
type clientRoomsJSON struct {
	clientJSON
	Rooms   []string `json:"rooms"`
	InRooms int      `json:"in_rooms"`
}

func clientOf(c seenClient) clientJSON {
	seen := clientJSON{c.Client, c.User, c.Dialect, "", "", c.TLS, millis(c.Opened), millis(c.LastSend), c.Queued}
	if ip := c.Remote.Addr().Unmap(); ip.IsValid() {
		seen.IP, seen.Address = ip.String(), ip.String()
		if port := c.Remote.Port(); port != 0 { // the port of a client behind a proxy is unknown
			seen.Address = netip.AddrPortFrom(ip, port).String()
		}
	}
	return seen
}

func clientsJSON(all []seenClient) []clientJSON {
	list := make([]clientJSON, len(all))
	for i, c := range all {
		list[i] = clientOf(c)
	}
	return list
}

func allClientRoomsJSON(all []seenRooms) []clientRoomsJSON {
	list := make([]clientRoomsJSON, len(all))
	for i, c := range all {
		list[i] = clientRoomsJSON{clientOf(c.seenClient), c.Rooms, c.InRooms}
	}
	return list
}

func millis(t time.Time) int64 { return t.UnixMilli() }

// frame encodes a message once for all its receivers. It replaces invalid UTF-8 in names.
func frame(message any) (*netpoll.Frame, error) {
	b, err := json.Marshal(message, lossy)
	if err != nil {
		return nil, err
	}
	return netpoll.NewFrame(ws.OpText, b)
}
