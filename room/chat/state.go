package chat

import (
	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// maxTries limits how often change tries again after another writer has changed the entry.
const maxTries = 16

// change reads an entry, calls f to change its value, and writes it. If another writer changes the
// entry in between, change starts again, so f may be called more than once. f gets the zero value
// and there == false if the entry does not exist. f returns false if nothing has to be written. The
// error is fit for call.Done.
func change[T any](e engine.State, k engine.Key, f func(v *T, there bool) bool, done func(error)) {
	try(e, k, f, done, maxTries)
}

func try[T any](e engine.State, k engine.Key, f func(*T, bool) bool, done func(error), left int) {
	e.Get(k, func(entry engine.Entry, err error) {
		var v T
		if err == nil && entry.Version != 0 {
			err = json.Unmarshal(entry.Value, &v)
		}
		if err != nil {
			done(wire.Internal(err))
			return
		}
		if !f(&v, entry.Version != 0) {
			done(nil)
			return
		}
		if entry.Value, err = json.Marshal(v); err != nil {
			done(wire.Internal(err))
			return
		}
		e.Put(entry, func(_ uint64, err error) {
			if err == engine.ErrVersion && left > 1 {
				try(e, k, f, done, left-1)
				return
			}
			done(room.StateError(err))
		})
	})
}

// each calls f for the elements one after the other; f must call its done argument once. each stops
// at the first error. It starts no goroutine.
func each[T any](all []T, f func(T, func(error)), done func(error)) {
	if len(all) == 0 {
		done(nil)
		return
	}
	f(all[0], func(err error) {
		if err != nil {
			done(err)
			return
		}
		each(all[1:], f, done)
	})
}
