package chat

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/wire"
)

// Message is a message as it stands after all that was done to it.
type Message struct {
	Offset    uint64         `json:"offset"`
	Data      jsontext.Value `json:"data"` // {} if it is taken back
	Info      *Info          `json:"info,omitempty"`
	Time      int64          `json:"time"` // unix milliseconds
	ID        string         `json:"id,omitempty"`
	Reply     uint64         `json:"reply,omitzero"`
	Edited    int64          `json:"edited,omitzero"` // unix milliseconds; 0: never
	Deleted   bool           `json:"deleted,omitzero"`
	Reactions []Reaction     `json:"reactions,omitempty"` // the first one first; see withReactions

	from *room.Author
}

// Info is an author, as in the protocol.
type Info struct {
	User     string         `json:"user"`
	Client   string         `json:"client"`
	ConnInfo jsontext.Value `json:"conn_info,omitempty"`
	ChanInfo jsontext.Value `json:"chan_info,omitempty"`
}

// Reaction is what some find of a message.
type Reaction struct {
	Emoji string   `json:"emoji"`
	Users []string `json:"users"` // maxNamed of them at most, in order; who has no name is only counted
	Count int      `json:"count"`
}

// maxNamed is how many users a reaction names.
const maxNamed = 20

// Fold makes messages of a room's publications, which are in order, the oldest
// first: what is done to a message comes behind it. What is about a message that
// is not there, because it is forgotten, is nothing; so is what is done to one
// that was taken back, and an edit by another than the author, which the server
// never publishes. Of reactions it says nothing, for the history may have forgotten some
// of their events: the State has them. Neither the publications nor their data are changed; the
// messages share them.
func Fold(all []room.Publication) []*Message {
	var out []*Message
	at := map[uint64]*Message{}
	for _, p := range all {
		if isMessage(p) {
			if m := newMessage(p); m != nil {
				out, at[p.Offset] = append(out, m), m
			}
			continue
		}
		of, err := strconv.ParseUint(p.Tags[room.TagOf], 10, 64)
		if m := at[of]; err == nil && m != nil && !m.Deleted {
			m.apply(p)
		}
	}
	return out
}

// newMessage is nil for bytes, which JSON cannot say.
func newMessage(p room.Publication) *Message {
	data, ok := p.JSON()
	if !ok {
		return nil
	}
	m := &Message{Offset: p.Offset, Data: data, Time: p.Time.UnixMilli(), ID: p.Tags[tagID], Deleted: p.Redacted(), from: p.From}
	m.Reply, _ = strconv.ParseUint(p.Tags[tagReply], 10, 64)
	if p.From != nil {
		m.Info = &Info{p.From.User, p.From.Client, valid(p.From.ConnInfo), valid(p.From.ChanInfo)}
	}
	return m
}

// valid is info as JSON has it. An engine may hold what is no JSON, of which calls
// do not tell.
func valid(info []byte) jsontext.Value {
	if len(info) > 0 && wire.Valid(info) {
		return info
	}
	return nil
}

// repair replaces data that is no JSON, which an engine may hold: so it fails no list
// that the message is in. It is asked of the messages of a page, not of all.
func (m *Message) repair() {
	if !wire.Valid(m.Data) {
		m.Data = jsontext.Value("null")
	}
}

// apply does to the message what an event says.
func (m *Message) apply(p room.Publication) {
	switch p.Tags[room.TagEvent] {
	case room.EventEdit:
		if data, ok := p.JSON(); ok && !p.Redacted() && p.From != nil && m.from != nil && owner(*p.From) == owner(*m.from) {
			m.Data, m.Edited = data, p.Time.UnixMilli()
		}
	case eventDelete:
		m.Deleted, m.Data, m.Edited = true, noData, 0
	}
}
