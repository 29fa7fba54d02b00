// Package await lets straight-line code wait for functions that pass their result to a callback, as
// those of an engine, a hub and a backend do.
//
// The rules: a worker never waits, so only goroutines that may block call [Value], [Error] or
// [Result.Wait]. The callback never blocks, and nobody has to be waiting when it is called.
//
// Package await has no mutex, and so no lock order.
package await

import "context"

// Value calls start, which must call done exactly once, from any goroutine, and returns the values given
// to done. If ctx ends first, Value returns its error, and a later call of done has no effect.
func Value[T any](ctx context.Context, start func(done func(T, error))) (T, error) {
	return Begin(start).Wait(ctx)
}

// Error is Value for a function that returns only an error.
func Error(ctx context.Context, start func(done func(error))) error {
	_, err := Value(ctx, func(done func(struct{}, error)) {
		start(func(err error) { done(struct{}{}, err) })
	})
	return err
}

// A Result is the value that a function will pass to its callback. One goroutine uses it.
type Result[T any] chan answer[T]

type answer[T any] struct {
	value T
	err   error
}

// Begin calls start, as Value does, and does not wait.
func Begin[T any](start func(done func(T, error))) Result[T] {
	r := make(Result[T], 1)
	start(func(value T, err error) { r <- answer[T]{value, err} })
	return r
}

// Ready returns the values if they have come. Each result is returned once, by Ready or by Wait.
func (r Result[T]) Ready() (value T, err error, ok bool) {
	select {
	case a := <-r:
		return a.value, a.err, true
	default:
		return value, nil, false
	}
}

// Wait waits for the values. If ctx ends first, it returns the error of ctx.
func (r Result[T]) Wait(ctx context.Context) (T, error) {
	select {
	case a := <-r:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
