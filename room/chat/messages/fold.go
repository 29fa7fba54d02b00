package messages

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// Message is a message in its current state, after all events about it.
type Message struct {
	Offset    uint64         `json:"offset"`
	Data      jsontext.Value `json:"data"` // {} if the message is deleted
	Info      *Info          `json:"info,omitempty"`
	Time      int64          `json:"time"` // unix milliseconds
	ID        string         `json:"id,omitempty"`
	Reply     uint64         `json:"reply,omitzero"`
	Edited    int64          `json:"edited,omitzero"` // unix milliseconds; 0 means never
	Deleted   bool           `json:"deleted,omitzero"`
	Reactions []Reaction     `json:"reactions,omitempty"` // in the order of their first reaction

	ref    Ref
	latest uint64 // offset of the edit that Data is from; 0: the message itself
}

// Info is an author, as in the Centrifuge protocol.
type Info struct {
	User     string         `json:"user"`
	Client   string         `json:"client"`
	ConnInfo jsontext.Value `json:"conn_info,omitempty"`
	ChanInfo jsontext.Value `json:"chan_info,omitempty"`
}

// Reaction is one emoji with the users that have reacted with it.
type Reaction struct {
	Emoji string   `json:"emoji"`
	Users []string `json:"users"` // sorted, at most maxNamed; users without a name are only counted
	Count int      `json:"count"`
}

// maxNamed limits the users that a reaction names.
const maxNamed = 20

// Fold computes messages from the publications of a room, which must be in order, oldest first:
// events about a message come after it. Fold ignores events about a message that is missing because
// the room has forgotten it, events about a deleted message, and an edit by a user other than the
// author, which the server never publishes. Fold returns no reactions: the history may have
// forgotten their events, and the State has them. Fold changes neither the publications nor their
// data; the messages share them.
func Fold(all []engine.Publication) []*Message {
	out := []*Message{}
	at := map[uint64]*Message{}
	for _, p := range all {
		if IsMessage(p) {
			if m := New(p); m != nil {
				out, at[p.Offset] = append(out, m), m
			}
			continue
		}
		of, err := strconv.ParseUint(p.Tags[engine.TagOf], 10, 64)
		if m := at[of]; err == nil && m != nil && !m.Deleted {
			m.Apply(p)
		}
	}
	return out
}

// FoldBackwards is Fold for publications that have the newest first. It does not change them.
func FoldBackwards(all []engine.Publication) []*Message {
	all = slices.Clone(all)
	slices.Reverse(all)
	return Fold(all)
}

// New makes a message of a publication. It returns nil if the data is binary, because that cannot stand
// in a JSON result.
func New(p engine.Publication) *Message {
	data, ok := room.JSON(&p)
	if !ok {
		return nil
	}
	m := &Message{Offset: p.Offset, Data: data, Time: p.Time.UnixMilli(), ID: p.Tags[TagID], Deleted: p.Redacted(), Info: InfoOf(p.From), ref: RefOf(&p)}
	m.Reply, _ = strconv.ParseUint(p.Tags[TagReply], 10, 64)
	return m
}

// owner is Owner of the author.
func (i *Info) owner() string { return Owner(engine.Author{User: i.User, Client: i.Client}) }

// InfoOf returns an author as clients get it, or nil.
func InfoOf(a *engine.Author) *Info {
	if a == nil {
		return nil
	}
	return &Info{a.User, a.Client, Valid(a.ConnInfo), Valid(a.ChanInfo)}
}

// Valid returns info if it is valid JSON, and nil otherwise: an engine may store invalid JSON.
func Valid(info []byte) jsontext.Value {
	if len(info) > 0 && wire.Valid(info) {
		return info
	}
	return nil
}

// Repair replaces data that is not valid JSON, which an engine may store, so that it does not make
// the whole result fail. It is only called for the messages of a page, not for the whole history.
func (m *Message) Repair() { m.Data = Repaired(m.Data) }

// Repaired returns data if it is valid JSON, and null otherwise.
func Repaired(data jsontext.Value) jsontext.Value {
	if wire.Valid(data) {
		return data
	}
	return jsontext.Value("null")
}

// Apply applies an event to the message.
func (m *Message) Apply(p engine.Publication) {
	switch p.Tags[engine.TagEvent] {
	case engine.EventEdit:
		if data, ok := room.JSON(&p); ok && !p.Redacted() && p.From != nil && m.Info != nil && Owner(*p.From) == m.Info.owner() {
			m.Data, m.Edited, m.latest = data, p.Time.UnixMilli(), p.Offset
		}
	case EventDelete:
		m.delete()
	}
}

func (m *Message) delete() { m.Deleted, m.Data, m.Edited = true, NoData, 0 }

// Size returns the bytes of a message that its author has chosen.
func (m *Message) Size() int {
	n := len(m.Data)
	if m.Info != nil {
		n += len(m.Info.ConnInfo) + len(m.Info.ChanInfo)
	}
	return n
}
