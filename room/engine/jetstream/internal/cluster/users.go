package cluster

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/axiomhq/hyperloglog"
	"github.com/dgryski/go-metro"

	"webim/room/engine/jetstream/internal/frames"
)

// maxHashes is the number of users up to which a node names them, each by 8 bytes. Above it, it sends a
// sketch of 16 KiB, from which the number can be estimated.
const maxHashes = 4096

// userSet is a set of users, who are known by a hash of 8 bytes. Two users of a room have the same hash
// with a probability of less than 1 in 10^12 even if it has 4,096 of them. The zero value is empty.
type userSet struct {
	hashes map[uint64]struct{}
	sketch *hyperloglog.Sketch // if not nil, it has the users, and hashes has none
}

// add adds a user. A set with more than maxHashes of them becomes a sketch.
func (u *userSet) add(user string) {
	u.addHash(metro.Hash64Str(user, 0))
	if len(u.hashes) > maxHashes {
		u.estimate()
	}
}

func (u *userSet) addHash(h uint64) {
	if u.sketch != nil {
		u.sketch.InsertHash(h)
		return
	}
	if u.hashes == nil {
		u.hashes = map[uint64]struct{}{}
	}
	u.hashes[h] = struct{}{}
}

// estimate makes the set a sketch.
func (u *userSet) estimate() {
	if u.sketch != nil {
		return
	}
	u.sketch = hyperloglog.NewNoSparse() // 2^14 registers: a standard error of 0.8 %
	for h := range u.hashes {
		u.sketch.InsertHash(h)
	}
	u.hashes = nil
}

// count returns the number of users, and whether it is an estimate.
func (u *userSet) count() (n int, estimated bool) {
	if u.sketch != nil {
		return int(u.sketch.Estimate()), true
	}
	return len(u.hashes), false
}

// The forms of a set: a byte, and then the sorted hashes, or a sketch in the form of its library.
const (
	formHashes = 1
	formSketch = 2
)

// bytes returns the set in a form that merge reads.
func (u *userSet) bytes() []byte {
	if u.sketch != nil {
		b, _ := u.sketch.AppendBinary([]byte{formSketch}) // it fails only for a sketch without registers
		return b
	}
	b := make([]byte, 1, 1+8*len(u.hashes))
	b[0] = formHashes
	for _, h := range slices.Sorted(maps.Keys(u.hashes)) {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	return b
}

// merge adds the users of another set, in the form that bytes returns.
func (u *userSet) merge(b []byte) error {
	bad := fmt.Errorf("cluster: a set of users: %w", frames.ErrMalformed)
	if len(b) == 0 {
		return bad
	}
	form, b := b[0], b[1:]
	switch {
	case form == formSketch:
		var other hyperloglog.Sketch
		if err := other.UnmarshalBinary(b); err != nil {
			return fmt.Errorf("%w: %w", bad, err)
		}
		u.estimate()
		if err := u.sketch.Merge(&other); err != nil {
			return fmt.Errorf("%w: %w", bad, err)
		}
	case form != formHashes || len(b)%8 != 0 || len(b) > 8*maxHashes:
		return bad
	}
	for last := uint64(0); form == formHashes && len(b) > 0; b = b[8:] {
		h := binary.BigEndian.Uint64(b)
		if last > 0 && h <= last {
			return bad
		}
		u.addHash(h)
		last = h
	}
	return nil
}
