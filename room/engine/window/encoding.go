package window

import (
	"encoding/binary"
	"time"
	"unsafe"

	"webim/room/engine"
)

// The bytes of an entry: the tags, the key, the author, each if there is one, and then the data. The
// parts say which are there. Each string has its length before it, as a varint.

// publication decodes an entry. The strings and slices of the result are parts of b, which must not
// change after that.
func (e *entry) publication(b []byte, from *engine.Author) (p engine.Publication) {
	p.Offset, p.Prev, p.Time, p.Op, p.Skip = e.offset, e.prev, time.Unix(0, e.time), e.op, e.has&isSkipped != 0
	if e.has&hasTags != 0 {
		n, k := binary.Uvarint(b)
		b, p.Tags = b[k:], make(map[string]string, n)
		for range n {
			var name, value []byte
			name, b = cutPart(b)
			value, b = cutPart(b)
			p.Tags[stringOf(name)] = stringOf(value)
		}
	}
	if e.has&hasKey != 0 {
		var key []byte
		key, b = cutPart(b)
		p.CompactKey = stringOf(key)
	}
	if e.has&hasAuthor != 0 {
		var user, client []byte
		user, b = cutPart(b)
		client, b = cutPart(b)
		from.User, from.Client = stringOf(user), stringOf(client)
		from.ConnInfo, b = cutPart(b)
		from.ChanInfo, b = cutPart(b)
		p.From = from
	}
	if !p.Skip { // only the offset is kept
		p.Data = b
	}
	return p
}

// appendParts appends the parts and the data of a publication to b, which publication decodes.
func appendParts(b []byte, p *engine.Publication) ([]byte, parts) {
	var has parts
	if p.Skip {
		has |= isSkipped
	}
	if len(p.Tags) > 0 {
		has |= hasTags
		b = binary.AppendUvarint(b, uint64(len(p.Tags)))
		for name, value := range p.Tags {
			b = appendPart(appendPart(b, name), value)
		}
	}
	if p.CompactKey != "" {
		has |= hasKey
		b = appendPart(b, p.CompactKey)
	}
	if a := p.From; a != nil {
		has |= hasAuthor
		b = appendPart(appendPart(b, a.User), a.Client)
		b = appendPart(appendPart(b, a.ConnInfo), a.ChanInfo)
	}
	return append(b, p.Data...), has
}

// partsSize returns how many bytes appendParts appends.
func partsSize(p *engine.Publication) int {
	n := len(p.Data)
	if len(p.Tags) > 0 {
		n += varintLen(len(p.Tags))
		for name, value := range p.Tags {
			n += partSize(len(name)) + partSize(len(value))
		}
	}
	if p.CompactKey != "" {
		n += partSize(len(p.CompactKey))
	}
	if a := p.From; a != nil {
		n += partSize(len(a.User)) + partSize(len(a.Client)) + partSize(len(a.ConnInfo)) + partSize(len(a.ChanInfo))
	}
	return n
}

func varintLen(n int) (size int) {
	for size = 1; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

func partSize(n int) int { return varintLen(n) + n }

func appendPart[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// cutPart decodes a part that appendPart has encoded; one is nil if the part is empty.
func cutPart(b []byte) (one, rest []byte) {
	n, k := binary.Uvarint(b)
	if n == 0 {
		return nil, b[k:]
	}
	end := k + int(n)
	return b[k:end:end], b[end:]
}

// stringOf returns b as a string, without a copy.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
