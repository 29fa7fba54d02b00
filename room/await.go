package room

import "context"

// Await calls start, which must call done exactly once, from any goroutine, and returns the values
// given to done. If ctx ends first, Await returns its error, and a later call of done has no effect.
func Await[T any](ctx context.Context, start func(done func(T, error))) (T, error) {
	come := make(chan awaited[T], 1)
	start(func(value T, err error) { come <- awaited[T]{value, err} })
	return receive(ctx, come)
}

// AwaitError is Await for a function that returns only an error.
func AwaitError(ctx context.Context, start func(done func(error))) error {
	_, err := Await(ctx, func(done func(struct{}, error)) {
		start(func(err error) { done(struct{}{}, err) })
	})
	return err
}

type awaited[T any] struct {
	value T
	err   error
}

func receive[T any](ctx context.Context, come <-chan awaited[T]) (T, error) {
	select {
	case a := <-come:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// await is Await for a call. If the values do not come at once, the call lends its slot to other calls
// until they come: see budget.Slots. A call that runs on a worker has no slot to lend.
func await[T any](c *Call, start func(done func(T, error))) (T, error) {
	come := make(chan awaited[T], 1)
	start(func(value T, err error) { come <- awaited[T]{value, err} })
	select {
	case a := <-come:
		return a.value, a.err
	default:
	}
	if slots := c.Hub.work.slots; c.hasSlot && slots.Suspend(c.Payer()) {
		defer slots.Resume(c.Payer())
	}
	return receive(c.Context(), come)
}
