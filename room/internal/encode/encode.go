// Package encode turns the publications and notices of a room into the messages that clients get, in
// each dialect. A message is the same for all clients of a dialect, so it is encoded once.
package encode

import (
	"sync"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/room/engine"
	"webim/room/wire"
)

// A Dialect says how a message is encoded.
type Dialect uint8

// The dialects.
const (
	Plain    Dialect = iota
	JSON             // the Centrifuge dialect, in JSON
	Protobuf         // the Centrifuge dialect, in Protobuf

	NumDialects = int(iota)
)

// DialectOf returns the dialect with an encoding.
func DialectOf(e wire.Encoding) Dialect {
	if e == wire.Protobuf {
		return Protobuf
	}
	return JSON
}

// Encoding returns the encoding of a dialect that is not Plain.
func (d Dialect) Encoding() wire.Encoding {
	if d == Protobuf {
		return wire.Protobuf
	}
	return wire.JSON
}

// Message is a WebSocket message. If Op is 0, the dialect cannot express it, and its clients get
// nothing.
type Message struct {
	Op   ws.OpCode
	Data []byte
}

// message returns a message of the Centrifuge dialect.
func (d Dialect) message(data []byte, err error) Message {
	switch {
	case err != nil:
		return Message{}
	case d == Protobuf:
		return Message{ws.OpBinary, data}
	}
	return Message{ws.OpText, data}
}

// Publication encodes a publication, in dst if it is long enough. In the plain dialect the message
// refers to the data of the publication.
func Publication(p *engine.Publication, room string, d Dialect, dst []byte) Message {
	if d == Plain {
		return plain(p)
	}
	one := forms.Get().(*form)
	defer one.free()
	if !one.fill(p, d.Encoding()) {
		return Message{}
	}
	return d.message(wire.AppendPublication(dst, d.Encoding(), room, &one.pub))
}

// plain returns the message for plain clients: a message of a plain client unchanged, and of JSON
// data the text. They get no events of the server: to them an edit would look like one more message.
func plain(p *engine.Publication) Message {
	if p.Tags[engine.TagEvent] != "" {
		return Message{}
	}
	if p.Op != engine.OpJSON {
		return Message{p.Op, p.Data}
	}
	text := wire.DataText(p.Data)
	if len(text) == 0 { // other data, which would be lost
		text = p.Data
	}
	return Message{ws.OpText, text}
}

// form is a publication in the form of the Centrifuge protocol.
type form struct {
	pub  protocol.Publication
	info protocol.ClientInfo
}

var forms = sync.Pool{New: func() any { return new(form) }}

// free clears the form and makes it available for another publication.
func (f *form) free() {
	f.pub.Data, f.pub.Tags, f.pub.Info = nil, nil, nil
	f.info.User, f.info.Client, f.info.ConnInfo, f.info.ChanInfo = "", "", nil, nil
	forms.Put(f)
}

// fill fills in the form; false if the encoding cannot express the publication, as JSON cannot
// express bytes.
func (f *form) fill(p *engine.Publication, e wire.Encoding) bool {
	pub := &f.pub
	pub.Data, pub.Offset, pub.Tags, pub.Time, pub.Info = p.Data, p.Offset, p.Tags, p.Time.UnixMilli(), nil
	if a := p.From; a != nil {
		f.info.User, f.info.Client, f.info.ConnInfo, f.info.ChanInfo = a.User, a.Client, a.ConnInfo, a.ChanInfo
		pub.Info = &f.info
	}
	switch {
	case p.Skip && p.Op == 0:
		return false // only its offset is in the history
	case p.Op == ws.OpText:
		data, err := wire.TextData(p.Data)
		if err != nil {
			return false
		}
		pub.Data = data
	case p.Op == ws.OpBinary && e != wire.Protobuf:
		return false
	}
	return true
}

// Protocol returns a publication in the form of the Centrifuge protocol; false if the encoding
// cannot express it.
func Protocol(p *engine.Publication, e wire.Encoding) (*protocol.Publication, bool) {
	f := new(form)
	return &f.pub, f.fill(p, e)
}

// Author returns an author in the form of the Centrifuge protocol.
func Author(a *engine.Author) *protocol.ClientInfo {
	return &protocol.ClientInfo{User: a.User, Client: a.Client, ConnInfo: a.ConnInfo, ChanInfo: a.ChanInfo}
}

// Notice encodes a notice of a join or a leave, in dst if it is long enough. Plain clients get none.
func Notice(n engine.Notice, room string, d Dialect, dst []byte) Message {
	if d == Plain {
		return Message{}
	}
	push := &protocol.Push{Channel: room}
	if n.Left {
		push.Leave = &protocol.Leave{Info: Author(&n.Who)}
	} else {
		push.Join = &protocol.Join{Info: Author(&n.Who)}
	}
	return d.message(wire.Append(dst, d.Encoding(), &protocol.Reply{Push: push}))
}

// Event encodes an event of an author that has no offset, in dst if it is long enough. Plain clients
// get none.
func Event(tag string, by engine.Author, room string, d Dialect, dst []byte) Message {
	if d == Plain {
		return Message{}
	}
	pub := &protocol.Publication{Data: []byte("{}"), Info: Author(&by), Tags: map[string]string{engine.TagEvent: tag}}
	return d.message(wire.AppendPublication(dst, d.Encoding(), room, pub))
}
