package retire

import (
	"encoding/binary"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"webim/room/engine"
)

// View is a node's copy of the round. The zero value is that of a store without one. All methods are safe for concurrent use.
type View struct {
	id    atomic.Uint64 // of the round
	names atomic.Bool   // the round names keys

	mu      sync.Mutex // innermost
	round   Round
	version uint64 // of the round's entry
	seen    time.Time
	named   map[uint64]bool
	kept    map[uint64]keep
	bad     error // the round cannot be read: no key may seal
}

// keep is an entry that keeps a key.
type keep struct{ round, version uint64 }

// Change follows a change of an entry of Table. The caller must have forgotten the keys in memory before.
func (v *View) Change(is engine.Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch is.Of {
	case "":
		v.followLocked(is)
	case keeps:
		id, err := strconv.ParseUint(is.Name, 16, 64)
		if err != nil {
			return
		}
		if len(is.Value) != 8 {
			delete(v.kept, id)
			return
		}
		if v.kept == nil {
			v.kept = map[uint64]keep{}
		}
		v.kept[id] = keep{binary.BigEndian.Uint64(is.Value), is.Version}
	}
}

// followLocked follows a change of the round. v.mu is held.
func (v *View) followLocked(is engine.Entry) {
	v.round, v.bad, v.version, v.seen, v.named = Round{}, nil, is.Version, time.Now(), nil
	if is.Value != nil {
		v.round, v.bad = Decode(is.Value)
	}
	if v.round.Phase >= Naming {
		v.named = make(map[uint64]bool, len(v.round.Keys))
		for _, k := range v.round.Keys {
			v.named[k.ID] = true
		}
	}
	v.names.Store(len(v.named) > 0 || v.bad != nil)
	v.id.Store(v.round.ID)
}

// ID returns the id of the round.
func (v *View) ID() uint64 { return v.id.Load() }

// Round returns the round, the version of its entry, and when this node has heard of it.
func (v *View) Round() (r Round, version uint64, seen time.Time, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.round, v.version, v.seen, v.bad
}

// May reports whether a key may seal.
func (v *View) May(id uint64) bool {
	if !v.names.Load() {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.bad == nil && (!v.named[id] || v.isKeptLocked(id))
}

// isKeptLocked reports whether a named key was kept in this round in time. v.mu is held.
func (v *View) isKeptLocked(id uint64) bool {
	k, ok := v.kept[id]
	return ok && k.round == v.round.ID && (v.round.Phase == Naming || k.version < v.version)
}

// Verdict says what a node may do with a key.
type Verdict int

// The verdicts.
const (
	Free   Verdict = iota // seal with it
	Named                 // keep it first
	Doomed                // delete it
)

// Judge returns the verdict on a key. If that is Named, keep is the entry that keeps the key. The error says that the round
// cannot be read.
func (v *View) Judge(id uint64) (is Verdict, keep engine.Entry, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.bad != nil:
		return Named, keep, v.bad
	case !v.named[id] || v.isKeptLocked(id):
		return Free, keep, nil
	case v.round.Phase == Naming:
		return Named, Keep(v.round.ID, id), nil
	}
	return Doomed, keep, nil
}

// Doomed returns the keys that the phase Deleting deletes.
func (v *View) Doomed() (all []Ref) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.bad != nil || v.round.Phase != Deleting {
		return nil
	}
	for _, k := range v.round.Keys {
		if !v.isKeptLocked(k.ID) {
			all = append(all, k)
		}
	}
	return all
}

// Kept returns the entries that keep keys, of all rounds, with their versions.
func (v *View) Kept() (all []engine.Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, k := range v.kept {
		e := Keep(k.round, id)
		e.Version = k.version
		all = append(all, e)
	}
	return all
}
