package wstest

import (
	"slices"
	"testing"
)

func TestMutexes(t *testing.T) {
	const source = `package p

type a struct {
	mu    sync.Mutex // innermost
	x     int
	other sync.RWMutex
}

type b[T any] struct {
	n      int
	mu, nu *sync.Mutex
	shards [4]sync.Mutex
}

type c struct{ sync.RWMutex }

var global sync.Mutex

func f() { var mu sync.Mutex }
`
	want := []string{"a.mu", "a.other", "b.mu", "b.nu", "b.shards", "c.Mutex", "global"}
	if got, err := mutexes(source); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}
