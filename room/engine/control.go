package engine

import (
	"slices"
	"time"
)

// Control connects the nodes of an engine.
//
//   - A control message reaches every node that has been added, once. The nodes of this process apply
//     it also while the others cannot be reached: a client that is disconnected, removed or revoked has
//     to go wherever that is possible.
//   - Members and Count ask every subscriber on every node. A user that is connected to two
//     nodes counts once.
//   - A node that has died is missing from the answers within seconds, and so are its members. Subscribers
//     on other nodes get a notice of the leave of each member that they were told of, unless these are too
//     many to remember. If the node has only lost its connection, they get notices of the joins again.
//   - While the other nodes cannot be reached, Collect, Members and Count get ErrUnavailable: an answer of this
//     node alone would be wrong.
type Control interface {
	// AddNode makes a node one that SendControl and Collect reach.
	AddNode(n Node)
	// RemoveNode ends that. A call that has already begun may still arrive.
	RemoveNode(n Node)
	// SendControl sends a control message to every node. The error says which fault there was on a
	// node, or on the way to it; other nodes may have applied the message. It wraps ErrUnconfirmed if
	// a node has not confirmed it in time, or if only the nodes of this process could be reached, and ErrStateOld if a
	// node has returned that.
	SendControl(m ControlMessage, done func(error))
	// Collect asks every node for its NodeInfo. It fails if one does not answer in time.
	Collect(q Question, done func([]NodeInfo, error))
	// Notify sends a notice to the subscribers of a room. A notice has no offset and is not
	// kept.
	Notify(room string, n Notice)
	// Members lists the members of a room on all nodes. done gets ErrTooManyMembers if there
	// are more than limit. Nodes count before they list. It fails if a node lives and does not answer
	// in time.
	Members(room string, limit int, done func([]Author, error))
	// Count counts the connections in a room on all nodes, and the users that they belong to;
	// all anonymous connections count as one user. The number of connections is exact. That of users is
	// exact if the room has members on one node, or fewer than some thousands on each; otherwise it may
	// be an estimate with a standard error of 1 %, and both numbers may be a second old. Errors are
	// those of Members.
	Count(room string, done func(clients, users int, err error))
}

// Node is a hub as the engine knows it. None of its methods may block.
type Node interface {
	// Apply applies a control message to the connections of this node. It returns ErrStateOld if the message lets a
	// connection into a room, and this node admits nobody now.
	Apply(m ControlMessage) error
	// Info answers a question.
	Info(q Question) NodeInfo
}

// ControlKind is the kind of a control message.
type ControlKind uint8

// The kinds of control messages.
const (
	ControlSubscribe   ControlKind = iota + 1 // join the target's connections to a room
	ControlUnsubscribe                        // remove them from it, or from all rooms
	ControlDisconnect                         // close them
	ControlRefresh                            // change when they expire, or their info
	ControlSend                               // push data to them, outside any room
	ControlRevoke                             // revoke a token, or all tokens of a user
	ControlRoster                             // read the room's roster again, because it has changed: from a node to its own sessions
)

// ControlMessage is an instruction for all nodes, in a form that can be sent to them. The kind
// decides which of the fields have a meaning.
type ControlMessage struct {
	Kind ControlKind
	To   Target

	Room   string
	Code   uint32 // of the disconnect
	Reason string
	Since  *Position // recover from there
	Info   []byte    // of the subscription or the connection; nil: unchanged
	Data   []byte    // for the client, with the subscription or alone

	Override Override

	Expires time.Time // of the subscription or the connection; zero: never
	Expired bool      // the connection has expired

	Token string    // ControlRevoke: the token's id (jti); "": all tokens of the target's user
	Until time.Time // ControlRevoke: when the revocation may be forgotten; zero: never
	At    time.Time // ControlRevoke: applies to tokens that were issued until then
}

// Override replaces options of the room for one subscription; nil keeps the room's option.
type Override struct {
	Notices      *bool // others get a notice when the client joins and leaves
	ForceNotices *bool // the client gets the notices of others
	Recoverable  *bool // the client may recover, and knows its position
}

// Target selects connections: of the centrifuge dialect, after their connect command; and for
// ControlDisconnect also plain ones.
type Target struct {
	User    string   // connections of this user; "" only together with Client or Session
	Client  string   // of these only the one with this client id
	Session string   // the same: the session id of a connection is its client id
	Except  []string // without these client ids
	// ExceptAdmins: without the connections of admins of the message's room or, without a room, of all rooms.
	ExceptAdmins bool
}

// Names reports whether the target includes a client id; it does not look at the user.
func (t *Target) Names(client string) bool {
	return (t.Client == "" || client == t.Client) && (t.Session == "" || client == t.Session) && !slices.Contains(t.Except, client)
}

// Question says which NodeInfo is wanted.
type Question struct {
	// Rooms selects the rooms with members by name, with * for any characters; "": no rooms.
	Rooms string
	// Ended asks for records of connections that have ended, of a user, an address or a client id; "": none.
	Ended string
}

// NodeInfo is the report of a node about itself.
type NodeInfo struct {
	Node     string // the id of the node, which is new after each start
	Version  string
	Uptime   time.Duration
	Clients  int            // connections, of both dialects
	Users    int            // different users; all anonymous connections count as one
	Channels int            // rooms with members
	Members  int            // memberships in them
	Rooms    map[string]int // members by room, for the rooms that Question.Rooms selects
	Ended    []byte         // the answer to Question.Ended: one JSON value; nil: nothing
}
