package live

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/flight"
	"webim/room/token"
)

// FeedPath is the path of the socket. The same server may serve other sockets at other paths.
const FeedPath = "/live/feed"

// Close codes for watchers.
const (
	CodeBadRequest ws.StatusCode = 4400 // the message is not understood
	CodeDenied     ws.StatusCode = 4401 // neither a key nor a token with the right to watch
	CodeEnded      ws.StatusCode = 4403 // the key or the token is no longer valid
	CodeLate       ws.StatusCode = 4408 // the connection did not authenticate in time
	CodeFull       ws.StatusCode = 4429 // the maximum number of watchers or waiting connections is reached
)

// maxRequest is the maximum size of a message from a watcher, in bytes: a token and its field.
const maxRequest = token.MaxToken + 64

// request is a message from a watcher: exactly one of the fields.
type request struct {
	Key   *string     `json:"key"`
	Token *string     `json:"token"`
	Find  *quest      `json:"find"`
	Trace *traceQuest `json:"trace"`
}

// traceQuest asks for a trace for some seconds; without a user and a room it ends the trace.
type traceQuest struct {
	flight.Target
	Seconds int `json:"seconds"`
}

// quest names the user, the connection, the IP address or the rooms to search for: one of them. Room may have * for any characters.
type quest struct {
	User   string `json:"user"`
	Client string `json:"client"`
	IP     string `json:"ip"`
	Room   string `json:"room"`
}

// who returns the user, the connection or the address.
func (q *quest) who() string { return cmp.Or(q.User, q.Client, q.IP) }

// count returns the number of fields that are set.
func (q *quest) count() (n int) {
	for _, text := range []string{q.User, q.Client, q.IP, q.Room} {
		if text != "" {
			n++
		}
	}
	return n
}

// parse parses a request; ok is false if data is not a valid request.
func parse(op ws.OpCode, data []byte) (q request, ok bool) {
	if op != ws.OpText || len(data) > maxRequest || json.Unmarshal(data, &q, json.RejectUnknownMembers(true)) != nil {
		return request{}, false
	}
	said := 0
	for _, there := range []bool{q.Key != nil, q.Token != nil, q.Find != nil, q.Trace != nil} {
		if there {
			said++
		}
	}
	return q, said == 1 && (q.Find == nil || q.Find.count() == 1 && len(q.Find.Room) <= token.MaxPattern)
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
	Now     Figures           `json:"now"`
	Largest []roomJSON        `json:"largest"`
	Slowest []clientJSON      `json:"slowest"`
	Trace   *flight.TraceView `json:"trace"` // only for watchers with a key
}

// nodesMessage holds the counts of all nodes.
type nodesMessage struct {
	Nodes nodes `json:"nodes"`
}

type nodes struct {
	At      int64      `json:"at"` // unix milliseconds; the time of the counts
	All     []nodeJSON `json:"all"`
	Missing bool       `json:"missing"` // since then a node has not answered
}

// nodeJSON is an engine.NodeInfo.
type nodeJSON struct {
	Node        string `json:"node"`
	Version     string `json:"version"`
	Uptime      int64  `json:"uptime"` // milliseconds
	Connections int    `json:"connections"`
	Users       int    `json:"users"`
	Rooms       int    `json:"rooms"`
	Members     int    `json:"members"`
}

// nodesJSON sorts by the ids, so that a node keeps its place.
func nodesJSON(all []engine.NodeInfo) []nodeJSON {
	list := make([]nodeJSON, len(all))
	for i, n := range all {
		list[i] = nodeJSON{n.Node, n.Version, n.Uptime.Milliseconds(), n.Clients, n.Users, n.Channels, n.Members}
	}
	slices.SortFunc(list, func(a, b nodeJSON) int { return strings.Compare(a.Node, b.Node) })
	return list
}

// foundMessage is the answer to a search.
type foundMessage struct {
	Found *found `json:"found"`
}

type found struct {
	quest
	At          int64             `json:"at"`          // unix milliseconds
	All         int               `json:"all"`         // connections on this node, or rooms
	Connections []clientRoomsJSON `json:"connections"` // on this node
	Nodes       []nodeCountJSON   `json:"nodes"`       // other nodes, with the number of the user's connections
	Elsewhere   []elsewhereJSON   `json:"elsewhere"`   // connections on the other nodes
	Rooms       []roomNodesJSON   `json:"rooms"`
	Ended       []flight.Record   `json:"ended"`   // connections that have ended, on all nodes; empty for watchers with a token
	Missing     bool              `json:"missing"` // the other nodes did not answer
}

type nodeCountJSON struct {
	Node  string `json:"node"`
	Count int    `json:"count"`
}

// elsewhereJSON is a connection on another node.
type elsewhereJSON struct {
	Client string `json:"client"`
	User   string `json:"user"`
}

// roomNodesJSON is a room on all nodes.
type roomNodesJSON struct {
	Name    string          `json:"name"`
	Members int             `json:"members"`
	Nodes   []nodeCountJSON `json:"nodes"` // those with members
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
