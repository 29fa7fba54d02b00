package wire

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/centrifugal/protocol"
	"github.com/centrifugal/protocol/cfjson"
)

// Append appends a reply, or a push, which is a reply without an id, to the
// WebSocket message dst: empty, or what Append returned before with the same
// encoding. So several leave in one message. The reply is not kept, and not changed
// but by repair; the bytes that it refers to never are.
//
// A JSON message is always whole: data that is not one JSON value could pretend to
// be other replies. In a list, of publications or of those who are present, one bad
// item does not fail the others: it is told without what is bad (see repair). Any
// other reply is refused with ErrBadRequest, and dst comes back as it was. What
// cannot be undone here is a raw carriage return and great depth: see Data.
func Append(dst []byte, encoding Encoding, r *protocol.Reply) ([]byte, error) {
	if encoding == JSON {
		if size, ok := listed(r); ok {
			return r.AppendJSON(Join(slices.Grow(dst, size), JSON, nil)), nil
		}
		line, err := protocol.DefaultJsonReplyEncoder.Encode(r)
		if err != nil {
			repair(r)
			line, err = protocol.DefaultJsonReplyEncoder.Encode(r)
		}
		if err != nil {
			return dst, ErrBadRequest
		}
		return Join(dst, JSON, line), nil
	}
	size := r.SizeCF()
	out := binary.AppendUvarint(slices.Grow(dst, size+binary.MaxVarintLen32), uint64(size))
	out = out[:len(out)+size]
	if _, err := r.MarshalToSizedBufferCF(out[len(out)-size:]); err != nil {
		return dst, ErrInternal
	}
	return out, nil
}

// listed tells whether a reply holds a list of publications and nothing that is no JSON,
// and about how long it is in JSON. Such a reply is written into the message without a
// copy between: it may have a megabyte, and a client can ask for many.
func listed(r *protocol.Reply) (size int, ok bool) {
	if r.Push != nil || r.Connect != nil || r.Presence != nil || r.Rpc != nil || r.SubRefresh != nil {
		return 0, false
	}
	if s := r.Subscribe; s != nil && (len(s.State) > 0 || !cfjson.ValidRaw(s.Data)) {
		return 0, false
	}
	const around = 128 // bytes of a publication besides what is counted
	for _, list := range [][]*protocol.Publication{r.History.GetPublications(), r.Subscribe.GetPublications()} {
		for _, p := range list {
			if p == nil || !cfjson.ValidRaw(p.Data) || !cfjson.ValidRaw(p.PrevData) {
				return 0, false
			}
			size += around + len(p.Data)
			if i := p.Info; i != nil {
				if !cfjson.ValidRaw(i.ConnInfo) || !cfjson.ValidRaw(i.ChanInfo) {
					return 0, false
				}
				size += around + len(i.User) + len(i.ConnInfo) + len(i.ChanInfo)
			}
		}
	}
	if size == 0 {
		return 0, false
	}
	return size + around + len(r.Subscribe.GetData()), true
}

// Join appends a message that was encoded before to the WebSocket message dst,
// as Append does. It is how frames that many receivers share are coalesced.
func Join(dst []byte, encoding Encoding, message []byte) []byte {
	if encoding == JSON && len(dst) > 0 {
		dst = append(dst, '\n')
	}
	return append(dst, message...)
}

// AppendPing appends the server's ping: the empty reply.
func AppendPing(dst []byte, encoding Encoding) []byte {
	if encoding == JSON {
		return Join(dst, JSON, []byte("{}"))
	}
	return append(dst, 0)
}

// AppendPublication appends the push of a publication in a room. It says the
// same to every receiver: encode it once for each encoding in use and share the
// bytes. It fails as Append does.
func AppendPublication(dst []byte, encoding Encoding, room string, p *protocol.Publication) ([]byte, error) {
	e := envelopes.Get().(*envelope)
	e.push.Channel, e.push.Pub = room, p
	dst, err := Append(dst, encoding, &e.reply)
	e.push.Channel, e.push.Pub = "", nil
	envelopes.Put(e)
	return dst, err
}

// An envelope is what stands around a publication. The encoder's interface
// makes it escape to the heap, so it is used again.
type envelope struct {
	reply protocol.Reply
	push  protocol.Push
}

var envelopes = sync.Pool{New: func() any {
	e := new(envelope)
	e.reply.Push = &e.push
	return e
}}
