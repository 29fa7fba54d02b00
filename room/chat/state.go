package chat

import (
	"context"

	"github.com/go-json-experiment/json"

	"webim/room"
	"webim/room/await"
	"webim/room/engine"
	"webim/room/wire"
)

// maxTries limits how often change tries again after another writer has changed the entry.
const maxTries = 16

// change reads an entry, calls f to change its value, and writes it. If another writer changes the
// entry in between, change starts again, so f may be called more than once. f gets the zero value
// and there == false if the entry does not exist. f returns false if nothing has to be written.
func change[T any](ctx context.Context, s store, k engine.Key, f func(v *T, there bool) bool) error {
	return changeEntry(ctx, s, k, func(v *T, e *engine.Entry) bool { return f(v, e.Version != 0) })
}

// changeEntry is change for an f that may also set when the entry expires. If the entry does not exist,
// e.Version is 0.
func changeEntry[T any](ctx context.Context, s store, k engine.Key, f func(v *T, e *engine.Entry) bool) error {
	for try := 1; ; try++ {
		v, e, err := read[T](ctx, s, k)
		if err != nil || !f(&v, &e) {
			return err
		}
		if e.Value, err = json.Marshal(v); err != nil {
			return err
		}
		if _, err = s.Put(ctx, e); err != engine.ErrVersion || try == maxTries {
			return err
		}
	}
}

// read reads an entry and its value. If the entry does not exist, v is the zero value and e.Version is 0.
func read[T any](ctx context.Context, s store, k engine.Key) (v T, e engine.Entry, err error) {
	e, err = s.Get(ctx, k)
	if err == nil && e.Version != 0 {
		err = json.Unmarshal(e.Value, &v)
	}
	return v, e, err
}

// atMost fails if a list has limit entries or more. Two concurrent calls may both find the last free
// place; the limit need not be that exact.
func atMost(ctx context.Context, s store, limit int, table, of, text string) error {
	n, err := s.CountEntries(ctx, table, of, "", "")
	if err == nil && n >= limit {
		err = limitExceeded(text)
	}
	return err
}

// serverStore is the State as the server writes it, at its own expense.
func serverStore(h *room.Hub) store { return store{h.Engine()} }

// limitExceeded is the error of a call that would exceed a limit.
func limitExceeded(text string) error {
	return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: "+text)
}

// store is a State with methods that return values and errors.
type store struct{ state engine.State }

func (s store) Get(ctx context.Context, k engine.Key) (engine.Entry, error) {
	return await.Value(ctx, func(done func(engine.Entry, error)) { s.state.Get(k, done) })
}

func (s store) Put(ctx context.Context, e engine.Entry) (uint64, error) {
	return await.Value(ctx, func(done func(uint64, error)) { s.state.Put(e, done) })
}

func (s store) Delete(ctx context.Context, k engine.Key, version uint64) error {
	return await.Error(ctx, func(done func(error)) { s.state.Delete(k, version, done) })
}

func (s store) List(ctx context.Context, table, of, after string, limit int) ([]engine.Entry, error) {
	return await.Value(ctx, func(done func([]engine.Entry, error)) { s.state.List(table, of, after, limit, done) })
}

func (s store) CountEntries(ctx context.Context, table, of, after, before string) (int, error) {
	return await.Value(ctx, func(done func(int, error)) { s.state.CountEntries(table, of, after, before, done) })
}
