package messages

import (
	"cmp"
	"fmt"
	"strconv"

	"webim/room/engine"
)

// A Ref names a message for good. If a store loses the end of its log, by a power cut or because a backup is
// restored, the room gets another epoch, and other messages get the offsets of those that are lost. All messages
// before stay. So what the State has of a message belongs to its offset and its time, whatever the epoch.
type Ref struct {
	Offset uint64
	Time   int64 // unix nanoseconds
}

// RefOf returns the Ref of a message.
func RefOf(p *engine.Publication) Ref { return Ref{p.Offset, p.Time.UnixNano()} }

// String returns the Ref as it stands in the names of entries, which are in the order of the messages.
func (r Ref) String() string { return fmt.Sprintf("%s/%016x", offsetName(r.Offset), uint64(r.Time)) }

// offsetName returns a name before those of all entries about a message at the offset, and after those of all
// earlier messages.
func offsetName(offset uint64) string { return fmt.Sprintf("%016x", offset) }

// cutRef is the inverse of String: name begins with a Ref, and rest is behind it.
func cutRef(name string) (r Ref, rest string, ok bool) {
	const digits, all = 16, 2*16 + 1
	if len(name) < all || name[digits] != '/' {
		return r, "", false
	}
	offset, err1 := strconv.ParseUint(name[:digits], 16, 64)
	time, err2 := strconv.ParseUint(name[digits+1:all], 16, 64)
	return Ref{offset, int64(time)}, name[all:], err1 == nil && err2 == nil
}

// compare orders Refs as their Strings.
func (r Ref) compare(other Ref) int {
	return cmp.Or(cmp.Compare(r.Offset, other.Offset), cmp.Compare(uint64(r.Time), uint64(other.Time)))
}

// isGone reports whether the log has no message of the Ref: next is the first publication at the offset of an
// earlier entry, or after it.
func (r Ref) isGone(next Ref) bool {
	return r.Offset < next.Offset || r.Offset == next.Offset && r != next
}
