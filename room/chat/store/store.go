// Package store reads and writes the State of an engine in straight-line code: its methods wait, and return
// values and errors. It changes entries without locks, by trying again.
package store

import (
	"context"

	"github.com/go-json-experiment/json"

	"webim/room/await"
	"webim/room/engine"
	"webim/room/wire"
)

// Store is a State with methods that wait. The owner that the State charges pays for the entries.
type Store struct{ state engine.State }

// New returns a State as a Store.
func New(s engine.State) Store { return Store{s} }

// Get reads an entry. If it does not exist, its Version is 0.
func (s Store) Get(ctx context.Context, k engine.Key) (engine.Entry, error) {
	return await.Value(ctx, func(done func(engine.Entry, error)) { s.state.Get(k, done) })
}

// Put writes an entry, and returns its version. See engine.State.
func (s Store) Put(ctx context.Context, e engine.Entry) (uint64, error) {
	return await.Value(ctx, func(done func(uint64, error)) { s.state.Put(e, done) })
}

// Delete removes an entry. See engine.State.
func (s Store) Delete(ctx context.Context, k engine.Key, version uint64) error {
	return await.Error(ctx, func(done func(error)) { s.state.Delete(k, version, done) })
}

// List reads at most limit entries of a list, in the order of their names, after a name.
func (s Store) List(ctx context.Context, table, of, after string, limit int) ([]engine.Entry, error) {
	return await.Value(ctx, func(done func([]engine.Entry, error)) { s.state.List(table, of, after, limit, done) })
}

// CountEntries counts the entries of a list between two names; an empty name is no bound.
func (s Store) CountEntries(ctx context.Context, table, of, after, before string) (int, error) {
	return await.Value(ctx, func(done func(int, error)) { s.state.CountEntries(table, of, after, before, done) })
}

// MaxTries limits how often a change of an entry is tried again after another writer has changed the entry.
const MaxTries = 16

// Change reads an entry, calls f to change its value, and writes it. If another writer changes the
// entry in between, Change starts again, so f may be called more than once. f gets the zero value
// and there == false if the entry does not exist. f returns false if nothing has to be written.
func Change[T any](ctx context.Context, s Store, k engine.Key, f func(v *T, there bool) bool) error {
	return ChangeEntry(ctx, s, k, func(v *T, e *engine.Entry) bool { return f(v, e.Version != 0) })
}

// ChangeEntry is Change for an f that may also set when the entry expires. If the entry does not exist,
// e.Version is 0.
func ChangeEntry[T any](ctx context.Context, s Store, k engine.Key, f func(v *T, e *engine.Entry) bool) error {
	for try := 1; ; try++ {
		v, e, err := Read[T](ctx, s, k)
		if err != nil || !f(&v, &e) {
			return err
		}
		if e.Value, err = json.Marshal(v); err != nil {
			return err
		}
		if _, err = s.Put(ctx, e); err != engine.ErrVersion || try == MaxTries {
			return err
		}
	}
}

// Read reads an entry and its value. If the entry does not exist, v is the zero value and e.Version is 0.
func Read[T any](ctx context.Context, s Store, k engine.Key) (v T, e engine.Entry, err error) {
	e, err = s.Get(ctx, k)
	if err == nil && e.Version != 0 {
		err = json.Unmarshal(e.Value, &v)
	}
	return v, e, err
}

// AtMost fails if a list has limit entries or more. Two concurrent calls may both find the last free
// place; the limit need not be that exact.
func AtMost(ctx context.Context, s Store, limit int, table, of, text string) error {
	n, err := s.CountEntries(ctx, table, of, "", "")
	if err == nil && n >= limit {
		err = LimitExceeded(text)
	}
	return err
}

// LimitExceeded is the error of a call that would exceed a limit.
func LimitExceeded(text string) error {
	return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: "+text)
}
