package retire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"webim/room/engine"
)

// Table has the entry of the round, and those of kept keys.
const Table = "keys"

// Wait is how long keys are named before the log is read again, and Fresh how old the copy of the State may be if a node is to
// seal. A NATS server closes a connection that is silent for 6 minutes, so a message that was sent before a round is stored or
// lost within Wait.
const (
	Wait  = 10 * time.Minute
	Fresh = Wait / 2
)

// MaxKeys is the number of keys that a round names at most. The entry then has some 330 kB.
const MaxKeys = 30_000

// Phase is a step of a round.
type Phase byte

// The phases, in their order.
const (
	Idle Phase = iota
	Scanning
	Naming
	Deleting
)

func (p Phase) String() string { return [...]string{"idle", "scanning", "naming", "deleting"}[p] }

// Ref names a key: by the sequence of its message in the stream of keys, and by its id.
type Ref struct{ Seq, ID uint64 }

// Round is the entry that all nodes follow. The zero value is that of a store without one.
type Round struct {
	ID    uint64 // random; it changes whenever keys are named
	Phase Phase
	Owner uint64    // the collector: a random number
	Ended time.Time // when the last scan had found no more keys; zero: never
	Keys  []Ref     // that are named, in the order of Seq
}

// RoundKey is the key of the entry.
func RoundKey() engine.Key { return engine.Key{Table: Table, Name: "round"} }

// keeps is Key.Of of the entries of kept keys.
const keeps = "keep"

// Keep returns the entry that keeps a key in a round.
func Keep(round, id uint64) engine.Entry {
	return engine.Entry{Key: engine.Key{Table: Table, Of: keeps, Name: fmt.Sprintf("%016x", id)}, Value: binary.BigEndian.AppendUint64(nil, round), Version: engine.AnyVersion}
}

// probeTime is how long the entry of Probe is kept.
const probeTime = time.Minute

// Probe returns an entry without a meaning. A node that writes it has all entries that were written before when its copy has this
// one.
func Probe(now time.Time) engine.Entry {
	return engine.Entry{Key: engine.Key{Table: Table, Of: "probe"}, Value: []byte{0}, Version: engine.AnyVersion, Expires: now.Add(probeTime)}
}

const format = 1

// errRound: the entry of the round cannot be read.
var errRound = errors.New("retire: the entry with the keys that are being removed is damaged, or of a newer webim")

// Encode returns the value of the entry.
func (r *Round) Encode() []byte {
	b := make([]byte, 0, 64+11*len(r.Keys))
	b = append(b, format, byte(r.Phase))
	b = binary.BigEndian.AppendUint64(b, r.ID)
	b = binary.BigEndian.AppendUint64(b, r.Owner)
	ended := int64(0)
	if !r.Ended.IsZero() {
		ended = r.Ended.UnixNano()
	}
	b = binary.AppendVarint(b, ended)
	b = binary.AppendUvarint(b, uint64(len(r.Keys)))
	last := uint64(0)
	for _, k := range r.Keys {
		b = binary.AppendUvarint(b, k.Seq-last)
		b = binary.BigEndian.AppendUint64(b, k.ID)
		last = k.Seq
	}
	return b
}

// Decode decodes the value of the entry.
func Decode(b []byte) (r Round, err error) {
	if len(b) < 18 || b[0] != format || Phase(b[1]) > Deleting {
		return r, errRound
	}
	r.Phase, r.ID, r.Owner = Phase(b[1]), binary.BigEndian.Uint64(b[2:]), binary.BigEndian.Uint64(b[10:])
	b = b[18:]
	ended, n := binary.Varint(b)
	if n <= 0 {
		return r, errRound
	}
	if ended != 0 {
		r.Ended = time.Unix(0, ended)
	}
	b = b[n:]
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(b)) {
		return r, errRound
	}
	b = b[n:]
	r.Keys = make([]Ref, 0, count)
	last := uint64(0)
	for range count {
		step, n := binary.Uvarint(b)
		if n <= 0 || len(b) < n+8 {
			return r, errRound
		}
		last += step
		r.Keys = append(r.Keys, Ref{last, binary.BigEndian.Uint64(b[n:])})
		b = b[n+8:]
	}
	if len(b) > 0 {
		return r, errRound
	}
	return r, nil
}
