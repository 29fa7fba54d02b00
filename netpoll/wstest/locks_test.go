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

type d struct {
	inner struct {
		mu   sync.Mutex
		deep []*struct{ sync.RWMutex }
	}
}

type e []struct{ mu sync.Mutex }

var global sync.Mutex

var one, two struct{ mu sync.Mutex }

var three = struct{ mu sync.Mutex }{}

func f() { var mu sync.Mutex }
`
	want := []string{"a.mu", "a.other", "b.mu", "b.nu", "b.shards", "c.Mutex", "d.inner.mu", "d.inner.deep.Mutex", "e.mu",
		"global", "one.mu", "two.mu", "three.mu"}
	if got, err := mutexes(source); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// TestLockOrderNamesEachMutex checks the mutexes of this package.
func TestLockOrderNamesEachMutex(t *testing.T) { LockOrder(t) }
