package stubs

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/subject"
)

// Table has the stubs. Of: room, Name: token of the class, and the offset in hexadecimal. A value
// is the envelope of the redacted publication.
const Table = "redacted"

// Key returns the key of the stub of a publication.
func Key(c subject.Class, room string, offset uint64) engine.Key {
	return engine.Key{Table: Table, Of: room, Name: fmt.Sprintf("%s %016x", c.Token, offset)}
}

// Of returns the stub in an entry, if it belongs to the class.
func Of(c subject.Class, entry engine.Entry) (s logread.Stored, ok bool) {
	offset, ok := Offset(c, entry.Name)
	return logread.Stored{Seq: offset, Data: entry.Value}, ok && entry.Version != 0
}

// Offset returns the offset in the name of a stub, if it belongs to the class.
func Offset(c subject.Class, name string) (offset uint64, ok bool) {
	hex, ok := strings.CutPrefix(name, c.Token+" ")
	if !ok {
		return 0, false
	}
	offset, err := strconv.ParseUint(hex, 16, 64)
	return offset, err == nil
}

// after returns a name before those of all stubs of a class that have this offset or a higher one, and end a name after
// those of all its stubs.
func after(c subject.Class, offset uint64) string {
	if offset == 0 {
		return c.Token + " "
	}
	return Key(c, "", offset-1).Name
}

func end(c subject.Class) string { return c.Token + "!" }

// Store reads the stubs in the State. All methods are safe for concurrent use.
type Store struct{ State *state.Store }

// From returns the first stub of a room that has this offset or a higher one.
func (s Store) From(c subject.Class, room string, offset uint64) (stub logread.Stored, ok bool) {
	for _, entry := range s.State.Entries(Table, room, after(c, offset), 1) {
		return Of(c, entry)
	}
	return stub, false
}

// UpTo returns the last stub of a room that has this offset or a lower one.
func (s Store) UpTo(c subject.Class, room string, offset uint64) (stub logread.Stored, ok bool) {
	before := end(c)
	if offset < math.MaxUint64 {
		before = Key(c, room, offset+1).Name
	}
	return Of(c, s.State.Last(Table, room, before))
}

// Count returns how many stubs of a room have this offset or a higher one.
func (s Store) Count(c subject.Class, room string, offset uint64) (n int) {
	s.State.CountEntries(Table, room, after(c, offset), end(c), func(count int, _ error) { n = count })
	return n
}

// Between returns the offsets of the stubs of a room from one offset to another.
func (s Store) Between(c subject.Class, room string, from, to uint64) (offsets []uint64) {
	for {
		stub, ok := s.From(c, room, from)
		if !ok || stub.Seq > to {
			return offsets
		}
		offsets = append(offsets, stub.Seq)
		from = stub.Seq + 1
	}
}

// Replaces reports whether a stub is that of a message that is still in the stream.
func Replaces(stub, one logread.Stored) bool {
	if stub.Seq != one.Seq {
		return false
	}
	a, err := envelope.Decode(stub.Data)
	if err != nil {
		return false
	}
	b, err := envelope.Decode(one.Data)
	return err != nil || a.Time == b.Time // otherwise the message has got the offset of one that was lost
}
