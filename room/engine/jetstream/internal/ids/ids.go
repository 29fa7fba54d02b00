package ids

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"webim/room/budget"
	"webim/room/engine"
)

// ID is the name by which the store knows a message again; "" is none.
type ID string

// Of returns the id of a message with this key.
func Of(room, key string) ID { return hashOf(room, key) }

// After returns the id under which a message is stored again when nobody can read the one at seq. It is the same on all nodes, so
// the message is stored again only once. For the empty ID it returns the empty ID.
func (id ID) After(seq uint64) ID {
	if id == "" {
		return ""
	}
	return hashOf(string(id), strconv.FormatUint(seq, 10), "again")
}

// Header returns the header of a message with this id; nil: none.
func (id ID) Header() nats.Header {
	if id == "" {
		return nil
	}
	return nats.Header{nats.MsgIdHdr: []string{string(id)}}
}

func hashOf(parts ...string) ID {
	h := sha256.New()
	for _, part := range parts {
		writePart(h, part)
	}
	return ID(Short(h.Sum(nil)))
}

// Content returns a hash of the content of a message, by which another node compares it. As in package
// published, the content is the one that the sender sent.
func Content(m *engine.Message) string {
	h := sha256.New()
	data, skip := m.Data, m.Skip
	if m.Original != nil {
		data, skip = m.Original, false
	}
	h.Write([]byte{byte(m.Op), 0})
	if skip {
		h.Write([]byte{1})
	}
	writePart(h, data)
	for _, name := range slices.Sorted(maps.Keys(m.Tags)) {
		writePart(h, name)
		writePart(h, m.Tags[name])
	}
	return Short(h.Sum(nil))
}

// writePart writes a part with its length, so that different parts never give the same bytes.
func writePart[S string | []byte](h hash.Hash, part S) {
	h.Write(binary.AppendUvarint(nil, uint64(len(part))))
	h.Write([]byte(part))
}

// Short returns the first 16 bytes of a hash as text.
func Short(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:16]) }

// Limit counts the ids that the store remembers because of this node. Each takes some 150 bytes of the
// server's memory until the window ends. So their number is limited, and shared by the payers; a message
// that gets no id is known again only on this node. All methods are safe for concurrent use.
type Limit struct {
	window time.Duration

	mu    sync.Mutex
	pool  *budget.Pool
	taken []takenID // in the order of their time
}

type takenID struct {
	payer budget.Owner
	until time.Time
}

// NewLimit returns a limit of this many ids that the store remembers for a window of time.
func NewLimit(window time.Duration, most int) *Limit {
	return &Limit{window: window, pool: budget.NewPool(int64(most))}
}

// Take reports whether a message of this payer gets an id.
func (l *Limit) Take(payer budget.Owner, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(l.taken) && !l.taken[n].until.After(now) {
		l.pool.Add(l.taken[n].payer, -1)
		n++
	}
	l.taken = l.taken[n:]
	if !l.pool.Take(payer, 1) {
		return false
	}
	l.taken = append(l.taken, takenID{payer, now.Add(l.window)})
	return true
}
