package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/subject"
)

// format is the version of the stored bytes. It is the first of them.
const format = 1

// removed is the bit of the second byte that says that the entry was removed.
const removed = 1

// Errors of entries that are read, or to be written.
var (
	errMalformed = errors.New("state: a stored entry cannot be read")
	errKeyLength = errors.New("state: the key of an entry is too long")
	errEmpty     = errors.New("state: an entry without a value")
)

// maxSubject is the maximum length of a subject. The server closes a connection that sends a longer one
// than its limit, 4,096 bytes with the reply subject.
const maxSubject = 3500

// subjectOf returns the subject of a key's messages.
func subjectOf(k engine.Key) string {
	return "state." + subject.Token(k.Table) + "." + subject.Token(k.Of) + "." + subject.Token(k.Name)
}

// keyOf is the inverse of subjectOf.
func keyOf(s string) (k engine.Key, err error) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 || parts[0] != "state" {
		return k, fmt.Errorf("%w: its subject is %q", errMalformed, s)
	}
	for i, name := range []*string{&k.Table, &k.Of, &k.Name} {
		if *name, err = subject.Parse(parts[i+1]); err != nil {
			return k, fmt.Errorf("%w: its subject is %q: %w", errMalformed, s, err)
		}
	}
	return k, nil
}

// Marker returns the marker of the stream: the removal of an entry that nobody ever makes.
func Marker() (subj string, value []byte) {
	return subjectOf(engine.Key{Table: "proof"}), encode(&engine.Entry{})
}

// encode returns the bytes of an entry; those of a removed one if its Value is nil.
//
//	format  flags  expiry (varint, ns since 1970; 0: never)  length of owner (uvarint)  owner  value
func encode(e *engine.Entry) []byte {
	if e.Value == nil {
		return []byte{format, removed}
	}
	owner, expires := e.Owner.String(), int64(0)
	if !e.Expires.IsZero() {
		expires = e.Expires.UnixNano()
	}
	b := make([]byte, 0, 2+2*binary.MaxVarintLen64+len(owner)+len(e.Value))
	b = append(b, format, 0)
	b = binary.AppendVarint(b, expires)
	b = binary.AppendUvarint(b, uint64(len(owner)))
	b = append(b, owner...)
	return append(b, e.Value...)
}

// decode is the inverse of encode. The entry has no key and no version, and uses b.
func decode(b []byte) (e engine.Entry, err error) {
	if len(b) < 2 {
		return e, errMalformed
	}
	if b[0] != format {
		return e, fmt.Errorf("%w: its format is %d", errMalformed, b[0])
	}
	if b[1]&removed != 0 {
		return e, nil
	}
	rest := b[2:]
	expires, n := binary.Varint(rest)
	if n <= 0 {
		return e, errMalformed
	}
	rest = rest[n:]
	size, n := binary.Uvarint(rest)
	if n <= 0 || size >= uint64(len(rest)-n) { // a value has at least one byte
		return e, errMalformed
	}
	rest = rest[n:]
	e.Owner = budget.ParseOwner(string(rest[:size]))
	e.Value = rest[size:len(rest):len(rest)]
	if expires != 0 {
		e.Expires = time.Unix(0, expires)
	}
	return e, nil
}
