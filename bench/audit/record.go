package audit

import (
	"fmt"
	"time"
)

// Kind is the kind of an event.
type Kind uint8

// The kinds of events, and the fields of Event that each uses besides At and Room.
const (
	Sent     Kind = iota // ID: the client sent a message, or sent it again with the same ID
	Acked                // ID: the message is stored; Epoch and Offset if the reply has them
	Refused              // ID: the message is not stored by this attempt
	Unknown              // ID: the message may be stored, or not
	Joined               // Epoch, Offset: the position in the reply; Recovered; Seen: the missed publications
	Received             // Epoch, Offset, ID: a publication. A client without offsets has Offset 0
	Read                 // Epoch, Offset: the end of the log as the reply has it; Seen: its newest publications, the oldest first
	Asked                // the client asks for the publications of the next Read
	Left                 // the client has left the room, or lost the connection
)

var kindNames = [...]string{"sent", "acked", "refused", "unknown", "joined", "received", "read", "asked", "left"}

// String returns the name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprint("kind ", uint8(k))
}

// MarshalText returns the name of the kind, for records in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Event is one event of a client, in the order in which the client saw them.
type Event struct {
	At        time.Duration `json:"at"` // since the beginning of the run
	Kind      Kind          `json:"kind"`
	Room      string        `json:"room"`
	ID        string        `json:"id,omitempty"`
	Epoch     string        `json:"epoch,omitempty"`
	Offset    uint64        `json:"offset,omitempty"`
	Asked     bool          `json:"asked,omitempty"`     // the client asked to recover from its position
	Recovered bool          `json:"recovered,omitempty"` // the reply says that the client has missed nothing after its position
	Seen      []Seen        `json:"seen,omitempty"`
	Node      int           `json:"node"` // the node of the connection
}

// Seen is a publication at its offset. The ID of a publication that is not a message of the run is empty.
type Seen struct {
	Offset uint64 `json:"offset"`
	ID     string `json:"id"`
}

// Client is the record of one client.
type Client struct {
	Name   string  `json:"name"`
	User   string  `json:"user"`
	Plain  bool    `json:"plain,omitempty"` // the client sees no offsets
	Events []Event `json:"events"`
	// Settled says that the client was in its rooms at the end, after all faults were over. Then it must have everything.
	Settled bool `json:"settled"`
}

// Log is the whole log of a room, as a node showed it at the end of the run.
type Log struct {
	Room    string `json:"room"`
	Node    int    `json:"node"`
	Epoch   string `json:"epoch"`
	Entries []Seen `json:"entries"` // the oldest first
}

// Ban is a ban or a revocation that the server has confirmed.
type Ban struct {
	User string        `json:"user"`
	At   time.Duration `json:"at"` // when it was confirmed
}

// Run is the record of a run.
type Run struct {
	Clients []Client      `json:"clients"`
	Logs    []Log         `json:"logs"`
	Bans    []Ban         `json:"bans"`
	Bound   time.Duration `json:"bound"` // a ban must hold so long after it was confirmed
}

// Violation is a broken rule.
type Violation struct {
	Rule   string `json:"rule"` // see doc.go
	Room   string `json:"room"`
	Client string `json:"client,omitempty"`
	Text   string `json:"text"`
}

func (v Violation) String() string {
	s := v.Rule + ": room " + v.Room
	if v.Client != "" {
		s += ", client " + v.Client
	}
	return s + ": " + v.Text
}

// Tally has the numbers of a record.
type Tally struct {
	Sent, Acked, Refused, Unknown int // messages, by their final outcome
	Received                      int // publications that clients received, with those in replies
	Joined, Recovered, Lost       int // replies to subscribing; those that recovered; those that said that something is missing
	Read                          int
	Stored                        int // messages in the logs of the first node
}

// UnmarshalText reads the name of a kind, so that a stored record can be checked again.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("audit: no event is called %q", text)
}
