package wire

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/centrifugal/protocol"
	"github.com/centrifugal/protocol/cfjson"
)

// Append appends a reply, or a push, which is a reply without an id, to the WebSocket message dst.
// dst is empty, or a result of Append with the same encoding, so that one message can carry several
// replies. Append does not keep the reply. It may change it by repair, but never the bytes to which
// the reply refers.
//
// A JSON message is always well formed, because data that is not one JSON value could look like
// other replies. In a list of publications or in a presence, one invalid item does not make the
// whole reply fail: Append sends the list without the invalid data (see repair). Any other invalid
// reply is refused with ErrBadRequest, and Append returns dst unchanged. Append does not check for
// raw carriage returns and great depth: see Data.
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

// isValid reports whether what a publication brings is JSON.
func isValid(p *protocol.Publication) bool {
	if !isPlain(p.Data) && !cfjson.ValidRaw(p.Data) || !cfjson.ValidRaw(p.PrevData) {
		return false
	}
	i := p.Info
	return i == nil || cfjson.ValidRaw(i.ConnInfo) && cfjson.ValidRaw(i.ChanInfo)
}

// listed reports whether a reply holds a list of publications and only valid JSON, and returns its
// approximate size in JSON. Append writes such a reply directly into the message, without an
// intermediate copy: the reply may have a megabyte, and a client can ask for many.
func listed(r *protocol.Reply) (size int, ok bool) {
	if r.Push != nil || r.Connect != nil || r.Presence != nil || r.Rpc != nil || r.SubRefresh != nil {
		return 0, false
	}
	if s := r.Subscribe; s != nil && (len(s.State) > 0 || !cfjson.ValidRaw(s.Data)) {
		return 0, false
	}
	const around = 128 // estimated bytes of a publication besides the counted fields
	for _, list := range [][]*protocol.Publication{r.History.GetPublications(), r.Subscribe.GetPublications()} {
		for _, p := range list {
			if p == nil || !isValid(p) {
				return 0, false
			}
			size += around + len(p.Data)
			if i := p.Info; i != nil {
				size += around + len(i.User) + len(i.ConnInfo) + len(i.ChanInfo)
			}
		}
	}
	if size == 0 {
		return 0, false
	}
	return size + around + len(r.Subscribe.GetData()), true
}

// Join appends an encoded message to the WebSocket message dst, as Append does. It coalesces frames
// that many receivers share.
func Join(dst []byte, encoding Encoding, message []byte) []byte {
	if encoding == JSON && len(dst) > 0 {
		dst = append(dst, '\n')
	}
	return append(dst, message...)
}

// AppendPing appends the server's ping, which is the empty reply.
func AppendPing(dst []byte, encoding Encoding) []byte {
	if encoding == JSON {
		return Join(dst, JSON, []byte("{}"))
	}
	return append(dst, 0)
}

// AppendPublication appends the push of a publication in a room. The push is the same for every
// receiver, so encode it once for each encoding in use, and share the bytes. It fails as Append
// does.
func AppendPublication(dst []byte, encoding Encoding, room string, p *protocol.Publication) ([]byte, error) {
	e := envelopes.Get().(*envelope)
	e.push.Channel, e.push.Pub = room, p
	var err error
	if encoding == JSON && isValid(p) {
		dst = e.reply.AppendJSON(Join(dst, JSON, nil)) // without a copy between
	} else {
		dst, err = Append(dst, encoding, &e.reply)
	}
	e.push.Channel, e.push.Pub = "", nil
	envelopes.Put(e)
	return dst, err
}

// An envelope is the reply and the push around a publication. The encoder's interface makes it
// escape to the heap, so envelopes are pooled.
type envelope struct {
	reply protocol.Reply
	push  protocol.Push
}

var envelopes = sync.Pool{New: func() any {
	e := new(envelope)
	e.reply.Push = &e.push
	return e
}}

// AppendPublished appends the reply to a publish command that was done.
func AppendPublished(dst []byte, encoding Encoding, id uint32) []byte {
	r := publisheds.Get().(*protocol.Reply)
	if r.Id = id; encoding == JSON {
		dst = r.AppendJSON(Join(dst, JSON, nil))
	} else {
		dst, _ = Append(dst, encoding, r) // is no error: nothing in it can be wrong
	}
	publisheds.Put(r)
	return dst
}

var publisheds = sync.Pool{New: func() any { return &protocol.Reply{Publish: &protocol.PublishResult{}} }}
