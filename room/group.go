package room

import (
	"sync"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/wire"
)

// A Kind says which frames a member takes, as one number: the dialect, the variant of the frames,
// and whether the member gets notices of joins and leaves.
type Kind uint8

const (
	plainDialect = iota
	jsonDialect
	protobufDialect
	numDialects

	numKinds = 2 * numDialects * int(netpoll.NumVariants)
)

func kindOf(dialect int, v netpoll.Variant, notices bool) Kind {
	k := dialect*int(netpoll.NumVariants) + int(v)
	if notices {
		k += numKinds / 2
	}
	return Kind(k)
}

// SessionKind returns the kind of the frames that a session takes. notices: it gets notices of
// joins and leaves.
func SessionKind(e wire.Encoding, v netpoll.Variant, notices bool) Kind {
	return kindOf(dialectOf(e), v, notices)
}

func (k Kind) dialect() int             { return int(k) / int(netpoll.NumVariants) % numDialects }
func (k Kind) variant() netpoll.Variant { return netpoll.Variant(int(k) % int(netpoll.NumVariants)) }
func (k Kind) notices() bool            { return int(k) >= numKinds/2 }

// dialectOf is an encoding's dialect.
func dialectOf(e wire.Encoding) int {
	if e == wire.Protobuf {
		return protobufDialect
	}
	return jsonDialect
}

// group is the members of a room that take one kind of frames, and their log. Guarded by Room.mu.
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

// maxScratch is how much memory an encoding keeps for the next one.
const maxScratch = 64 << 10

// encodings makes each dialect's bytes when they are first asked for. They are used again:
// what they have made is good until they are given back.
type encodings struct {
	done    [numDialects]bool
	of      [numDialects]encoded
	scratch [numDialects][]byte // memory for them
}

var allEncodings = sync.Pool{New: func() any { return new(encodings) }}

// get makes a dialect's bytes, in dst if it is long enough.
func (e *encodings) get(dialect int, make func(dialect int, dst []byte) encoded) encoded {
	if !e.done[dialect] {
		e.done[dialect], e.of[dialect] = true, make(dialect, e.scratch[dialect][:0])
	}
	return e.of[dialect]
}

// give gives the encodings back. Centrifuge's bytes are their own; the plain dialect's are
// the publisher's.
func (e *encodings) free() {
	for dialect := range e.of {
		if b := e.of[dialect].data; dialect != plainDialect && cap(b) > cap(e.scratch[dialect]) && cap(b) <= maxScratch {
			e.scratch[dialect] = b
		}
	}
	e.done, e.of = [numDialects]bool{}, [numDialects]encoded{}
	allEncodings.Put(e)
}

// framed is a message of an encoding of the centrifuge dialect.
func frameOf(dialect int, data []byte) encoded {
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

// encodePublication returns a publication in a dialect, in dst if it is long enough. A dialect
// that cannot express the publication gets nothing: then op is 0.
func encodePublication(p *engine.Publication, room string, dialect int, dst []byte) encoded {
	if dialect == plainDialect {
		return plainPublication(p)
	}
	one := pushes.Get().(*push)
	defer one.give()
	if !one.fill(p, encodingOf(dialect)) {
		return encoded{}
	}
	b, err := wire.AppendPublication(dst, encodingOf(dialect), room, &one.pub)
	if err != nil {
		return encoded{}
	}
	return frameOf(dialect, b)
}

// plainPublication returns what plain clients get: a message of a plain client unchanged, and of
// JSON data the text. They get no events of the server, because an edit would look like one
// more message to them.
func plainPublication(p *engine.Publication) encoded {
	if p.Tags[engine.TagEvent] != "" {
		return encoded{}
	}
	if p.Op != engine.OpJSON {
		return encoded{p.Op, p.Data}
	}
	text := wire.DataText(p.Data)
	if len(text) == 0 { // beside something else, which would be lost
		text = p.Data
	}
	return encoded{ws.OpText, text}
}

// push is a publication as the centrifuge dialect has it.
type push struct {
	pub  protocol.Publication
	info protocol.ClientInfo
}

// pushes are used again for what is encoded at once.
var pushes = sync.Pool{New: func() any { return new(push) }}

// give gives it back without what it refers to.
func (one *push) give() {
	one.pub.Data, one.pub.Tags, one.pub.Info = nil, nil, nil
	one.info.User, one.info.Client, one.info.ConnInfo, one.info.ChanInfo = "", "", nil, nil
	pushes.Put(one)
}

// fill says a publication; false if the encoding cannot say it, as JSON cannot bytes.
func (one *push) fill(p *engine.Publication, e wire.Encoding) bool {
	pub := &one.pub
	pub.Data, pub.Offset, pub.Tags, pub.Time, pub.Info = p.Data, p.Offset, p.Tags, p.Time.UnixMilli(), nil
	if a := p.From; a != nil {
		one.info.User, one.info.Client, one.info.ConnInfo, one.info.ChanInfo = a.User, a.Client, a.ConnInfo, a.ChanInfo
		pub.Info = &one.info
	}
	switch {
	case p.Skip && p.Op == 0:
		return false // only its place is remembered
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

// ProtocolPublication returns a publication in the form of the Centrifuge protocol; false if the
// encoding cannot express it.
func ProtocolPublication(p *engine.Publication, e wire.Encoding) (*protocol.Publication, bool) {
	one := new(push)
	return &one.pub, one.fill(p, e)
}

// ClientInfo returns an author as the centrifuge dialect has it.
func ClientInfo(a *engine.Author) *protocol.ClientInfo {
	return &protocol.ClientInfo{User: a.User, Client: a.Client, ConnInfo: a.ConnInfo, ChanInfo: a.ChanInfo}
}

// encodeNotice returns a notice in a dialect, in dst if it is long enough; plain clients get none.
func encodeNotice(n engine.Notice, room string, dialect int, dst []byte) encoded {
	if dialect == plainDialect {
		return encoded{}
	}
	push := &protocol.Push{Channel: room}
	if n.Left {
		push.Leave = &protocol.Leave{Info: ClientInfo(&n.Who)}
	} else {
		push.Join = &protocol.Join{Info: ClientInfo(&n.Who)}
	}
	b, err := wire.Append(dst, encodingOf(dialect), &protocol.Reply{Push: push})
	if err != nil {
		return encoded{}
	}
	return frameOf(dialect, b)
}
