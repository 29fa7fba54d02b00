package cuts

import (
	"encoding/binary"
	"strconv"
	"strings"
	"sync"

	"webim/room/engine"
)

// Table has the cuts. Of: room, Name: token of the class, because each class has offsets of its own.
const Table = "cut"

// A Cut says up to which offset the history of a room was removed, and how often.
type Cut struct {
	Times  uint64
	Offset uint64
}

// Encode returns the value of a cut's entry.
func (c Cut) Encode() []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, c.Times), c.Offset)
}

// Decode returns the cut in the value of an entry; the zero Cut if there is none.
func Decode(b []byte) (c Cut) {
	times, n := binary.Uvarint(b)
	if n <= 0 {
		return c
	}
	offset, m := binary.Uvarint(b[n:])
	if m <= 0 {
		return c
	}
	return Cut{times, offset}
}

// A Key names a room in a class, by the token of the class.
type Key struct{ Room, Class string }

// Entry returns the key of the cut's entry in the State.
func (k Key) Entry() engine.Key { return engine.Key{Table: Table, Of: k.Room, Name: k.Class} }

// All has all cuts in memory. It has a mutex of its own because a topic reads it while it is locked, when
// it must not call the State. The zero value is ready. All methods are safe for concurrent use.
type All struct {
	mu  sync.Mutex
	all map[Key]Cut
}

// Get returns the cut of a room in a class.
func (s *All) Get(k Key) Cut {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[k]
}

// Change follows a change of an entry of Table.
func (s *All) Change(is engine.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := Key{is.Of, is.Name}
	if is.Value == nil {
		delete(s.all, k)
		return
	}
	if s.all == nil {
		s.all = map[Key]Cut{}
	}
	s.all[k] = Decode(is.Value)
}

// Incarnation returns the first part of an epoch: the incarnation of the stream in which the room is stored.
func Incarnation(epoch string) string {
	incarnation, _, _ := strings.Cut(epoch, "-")
	return incarnation
}

// Epoch returns the epoch of a room with this cut.
func (c Cut) Epoch(incarnation string) string {
	if c.Times == 0 {
		return incarnation
	}
	return incarnation + "-" + strconv.FormatUint(c.Times, 10)
}
