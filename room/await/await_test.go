package await_test

import (
	"context"
	"errors"
	"testing"

	"webim/room/await"
)

// TestEnds checks that Value returns the values of done, or ctx's error if that ends first.
func TestEnds(t *testing.T) {
	if got, err := await.Value(t.Context(), func(done func(int, error)) { go done(7, nil) }); got != 7 || err != nil {
		t.Error(got, err)
	}
	failure := errors.New("failure")
	if err := await.Error(t.Context(), func(done func(error)) { done(failure) }); err != failure {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	late := make(chan func(error), 1)
	if err := await.Error(ctx, func(done func(error)) { late <- done; cancel() }); err != context.Canceled {
		t.Error(err)
	}
	(<-late)(nil) // has no effect, and does not block
}

// TestReady checks that a result is ready once it has come, and not before.
func TestReady(t *testing.T) {
	var finish func(int, error)
	r := await.Begin(func(done func(int, error)) { finish = done })
	if _, _, ok := r.Ready(); ok {
		t.Error("ready before done was called")
	}
	finish(7, nil)
	if got, err, ok := r.Ready(); got != 7 || err != nil || !ok {
		t.Error(got, err, ok)
	}
}
