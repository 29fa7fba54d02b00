package room

import (
	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/wire"
)

// kind says which frames a member takes, in one number: the variant of the
// frames, the dialect, and whether it wants to know who comes and goes.
type kind uint8

const (
	plainDialect = iota
	jsonDialect
	protobufDialect
	numDialects

	numKinds = 2 * numDialects * int(netpoll.NumVariants)
)

func kindOf(dialect int, v netpoll.Variant, notices bool) kind {
	k := dialect*int(netpoll.NumVariants) + int(v)
	if notices {
		k += numKinds / 2
	}
	return kind(k)
}

func (k kind) dialect() int             { return int(k) / int(netpoll.NumVariants) % numDialects }
func (k kind) variant() netpoll.Variant { return netpoll.Variant(int(k) % int(netpoll.NumVariants)) }
func (k kind) notices() bool            { return int(k) >= numKinds/2 }

// dialectOf is an encoding's dialect.
func dialectOf(e wire.Encoding) int {
	if e == wire.Protobuf {
		return protobufDialect
	}
	return jsonDialect
}

// group is the members that take one kind of frames, with its log. Guarded by
// Room.mu.
type group struct {
	log     *netpoll.Log
	shards  []*shard
	members int
}

// encoded is what one dialect makes of a publication or notice: the same bytes
// for all who speak it. The zero op is nothing at all.
type encoded struct {
	op   ws.OpCode
	data []byte
}

// encodings makes each dialect's bytes when they are first asked for.
type encodings struct {
	done [numDialects]bool
	of   [numDialects]encoded
}

func (e *encodings) get(dialect int, make func(dialect int) encoded) encoded {
	if !e.done[dialect] {
		e.done[dialect], e.of[dialect] = true, make(dialect)
	}
	return e.of[dialect]
}

// framed is a message of an encoding of the centrifuge dialect.
func framed(dialect int, data []byte) encoded {
	if dialect == protobufDialect {
		return encoded{ws.OpBinary, data}
	}
	return encoded{ws.OpText, data}
}

// encodingOf is a dialect's encoding, for those that have one.
func encodingOf(dialect int) wire.Encoding {
	if dialect == protobufDialect {
		return wire.Protobuf
	}
	return wire.JSON
}

// encode makes a publication's bytes. What a dialect cannot say it is not told.
func (p Publication) encode(room string, dialect int) encoded {
	if dialect == plainDialect {
		return p.plain()
	}
	pub, ok := p.push(encodingOf(dialect))
	if !ok {
		return encoded{}
	}
	b, err := wire.AppendPublication(nil, encodingOf(dialect), room, pub)
	if err != nil {
		return encoded{}
	}
	return framed(dialect, b)
}

// plain is what plain clients get: what a plain client said as it was, and of
// JSON data its text. Of the server's events they could make nothing; an edit would
// be one more message to them.
func (p Publication) plain() encoded {
	if p.Tags[TagEvent] != "" {
		return encoded{}
	}
	if p.Op != OpJSON {
		return encoded{p.Op, p.Data}
	}
	text := wire.DataText(p.Data)
	if len(text) == 0 { // beside something else, which would be lost
		text = p.Data
	}
	return encoded{ws.OpText, text}
}

// push is the publication as the centrifuge dialect has it; false if the
// encoding cannot say it, as JSON cannot bytes.
func (p Publication) push(e wire.Encoding) (*protocol.Publication, bool) {
	pub := &protocol.Publication{Data: p.Data, Offset: p.Offset, Tags: p.Tags, Time: p.Time.UnixMilli()}
	if p.From != nil {
		pub.Info = p.From.info()
	}
	switch {
	case p.Skip && p.Op == 0:
		return nil, false // only its place is remembered
	case p.Op == ws.OpText:
		data, err := wire.TextData(p.Data)
		if err != nil {
			return nil, false
		}
		pub.Data = data
	case p.Op == ws.OpBinary && e != wire.Protobuf:
		return nil, false
	}
	return pub, true
}

// info is the author as the centrifuge dialect has it.
func (a *Author) info() *protocol.ClientInfo {
	return &protocol.ClientInfo{User: a.User, Client: a.Client, ConnInfo: a.ConnInfo, ChanInfo: a.ChanInfo}
}

// encode makes a notice's bytes; plain clients get none.
func (n Notice) encode(room string, dialect int) encoded {
	if dialect == plainDialect {
		return encoded{}
	}
	push := &protocol.Push{Channel: room}
	if n.Left {
		push.Leave = &protocol.Leave{Info: n.Who.info()}
	} else {
		push.Join = &protocol.Join{Info: n.Who.info()}
	}
	b, err := wire.Append(nil, encodingOf(dialect), &protocol.Reply{Push: push})
	if err != nil {
		return encoded{}
	}
	return framed(dialect, b)
}
