package window

import (
	"encoding/binary"
	"errors"

	"github.com/gobwas/ws"

	"webim/netpoll/snapshot"
	"webim/room/engine"
)

// Export writes the window down for another process. now is the time on the clock of Append.
func (w *Window) Export(e *snapshot.Encoder, now int64) {
	e.Uint(1, w.floor)
	e.Uint(2, w.top)
	var table []byte
	for i := range w.live() {
		one := &w.live()[i]
		table = binary.AppendUvarint(table, one.offset)
		table = binary.AppendUvarint(table, one.prev)
		table = binary.AppendVarint(table, one.time)
		table = binary.AppendVarint(table, one.came-now)
		table = binary.AppendUvarint(table, uint64(one.size))
		table = append(table, byte(one.op), byte(one.has))
	}
	e.Bytes(3, table)
	for i := range w.live() {
		if one := &w.live()[i]; one.size > 0 {
			e.Item(4, w.content(one))
		}
	}
}

var errState = errors.New("window: malformed state of a history")

// Import fills an empty window with that of another process.
func (w *Window) Import(b []byte, now int64) error {
	var floor, top uint64
	var table []byte
	var contents [][]byte
	d := snapshot.Decode(b)
	for field := d.Next(); field != 0; field = d.Next() {
		switch field {
		case 1:
			floor = d.Uint()
		case 2:
			top = d.Uint()
		case 3:
			table = d.Bytes()
		case 4:
			contents = append(contents, d.Bytes())
		}
	}
	if d.Err() != nil {
		return d.Err()
	}
	r := tableReader{b: table}
	last := uint64(0)
	for len(r.b) > 0 && r.err == nil {
		var content []byte
		p, size := r.entry()
		if size > 0 && len(contents) > 0 {
			content, contents = contents[0], contents[1:]
		}
		if r.err != nil || p.offset <= last || p.offset > top || len(content) != int(size) || !wellFormed(content, p.has) {
			return errState
		}
		last = p.offset
		p.came += now
		w.restore(p, content)
	}
	if r.err != nil || len(contents) > 0 {
		return errState
	}
	w.floor, w.top = floor, top
	return nil
}

// restore adds an entry at the end, with its content.
func (w *Window) restore(e entry, content []byte) {
	w.entries, w.first = reserve(w.entries, w.first, 1)
	dropped := w.used
	w.bytes, w.used = reserve(w.bytes, w.used, len(content))
	w.base += dropped - w.used
	e.at = w.base + uint32(len(w.bytes))
	w.bytes = append(w.bytes, content...)
	e.cost = engine.PartCost
	if e.op != opGone {
		p := e.publication(content, new(engine.Author))
		e.cost = uint32(engine.Cost(&p))
		if e.has&hasKey != 0 {
			if w.latest == nil {
				w.latest = map[string]uint64{}
			}
			w.latest[string([]byte(p.CompactKey))] = e.offset
		}
	}
	w.entries = append(w.entries, e)
	w.count(&w.entries[len(w.entries)-1], 1)
}

// tableReader reads the entries of a window without their content.
type tableReader struct {
	b   []byte
	err error
}

func (r *tableReader) entry() (e entry, size uint64) {
	e.offset, e.prev = r.uint(), r.uint()
	e.time, e.came = r.int(), r.int()
	size = r.uint()
	if len(r.b) < 2 || size > maxBytes {
		r.err = errState
		return e, 0
	}
	e.size, e.op, e.has = uint32(size), ws.OpCode(r.b[0]), parts(r.b[1])
	r.b = r.b[2:]
	return e, size
}

func (r *tableReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skip(n)
	return v
}

func (r *tableReader) int() int64 {
	v, n := binary.Varint(r.b)
	r.skip(n)
	return v
}

func (r *tableReader) skip(n int) {
	if n <= 0 {
		r.b, r.err = nil, errState
		return
	}
	r.b = r.b[n:]
}

// wellFormed reports whether the bytes of an entry have the parts that it names.
func wellFormed(b []byte, has parts) bool {
	strings := uint64(0)
	if has&hasTags != 0 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)) {
			return false
		}
		b, strings = b[k:], 2*n
	}
	if has&hasKey != 0 {
		strings++
	}
	if has&hasAuthor != 0 {
		strings += 4
	}
	for range strings {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			return false
		}
		b = b[k+int(n):]
	}
	return true
}
