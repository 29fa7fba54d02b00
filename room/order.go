package room

import "time"

// OrderKind says what an order is about.
type OrderKind uint8

// The orders that nodes obey.
const (
	OrderSubscribe   OrderKind = iota + 1 // join the target's connections to a room
	OrderUnsubscribe                      // take them out of it, or of all rooms
	OrderDisconnect                       // close them
	OrderRefresh                          // give them another time to end, or info
	OrderSend                             // push data to them, of no room
	OrderRevoke                           // a token is no longer good, or all of a user's
	OrderRoster                           // look at the room's roster again: it has changed
)

// Order is what all nodes must do, in a form that can be sent to them. Which of
// the fields mean something depends on its kind.
type Order struct {
	Kind OrderKind
	To   Target

	Room   string
	Code   uint32 // of the disconnect
	Reason string
	Since  *Position // recover from there
	Info   []byte    // of the subscription or the connection; nil: as it is
	Data   []byte    // for the client, with the subscription or by itself

	Override Override

	Expires time.Time // of the subscription or the connection; zero: never
	Expired bool      // the connection has ended

	Token string    // OrderRevoke: the token's id (jti); "": all of the target's user
	Until time.Time // OrderRevoke: for how long that must be remembered; zero: for ever
	At    time.Time // OrderRevoke: tokens that were issued until then
}

// Override is what an order says of a subscription instead of the room's
// options; nil leaves it to them.
type Override struct {
	Notices      *bool // others are told when it comes and goes
	ForceNotices *bool // it is told who comes and goes
	Recoverable  *bool // it may recover, and knows its position
}

// Target says whom an order is for: connections of the centrifuge dialect that
// have connected, and, to be closed, plain ones too.
type Target struct {
	User    string   // all of this user's; "" only together with Client or Session
	Client  string   // of these only the one with this client id
	Session string   // the same: a connection has no other session id than its client id
	Except  []string // but not the ones with these client ids
	Spare   bool     // nor those of admins, of the order's room or, without one, of all
}

// Question is what nodes are asked.
type Question struct {
	// Rooms wants the rooms that have members and whose names match, with * for
	// any characters; "": no rooms.
	Rooms string
}

// Census is what a node says of itself.
type Census struct {
	Node     string // its id, another one after each start
	Version  string
	Uptime   time.Duration
	Clients  int            // connections, of both dialects
	Users    int            // different ones of them; all who are anonymous are one
	Channels int            // rooms with members
	Members  int            // memberships of them
	Rooms    map[string]int // members by room, of those that were asked for
}
