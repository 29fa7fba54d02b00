package wstest

import (
	"slices"
	"testing"
)

func TestMutexes(t *testing.T) {
	source := "type a struct {\n\tmu sync.Mutex // a leaf\n\tx  int\n\tother sync.RWMutex\n}\n\ntype b[T any] struct {\n\tn  int\n\tmu   sync.Mutex\n}\n\nfunc f() {\n\tvar mu sync.Mutex\n}\n"
	if got, want := mutexes(source), []string{"a.mu", "a.other", "b.mu"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
