package wstest

import (
	"fmt"
	"slices"
	"testing"
)

func TestLog(t *testing.T) {
	var l Log
	if l.String() != "" || l.Take() != "" || len(l.Lines()) != 0 {
		t.Errorf("the zero value has %q", l.String())
	}
	fmt.Fprint(&l, "one\ntw")
	fmt.Fprint(&l, "o\n")
	if got := l.Lines(); !slices.Equal(got, []string{"one", "two"}) || l.String() != "one\ntwo\n" {
		t.Errorf("%q, %q", got, l.String())
	}
	if got := l.Take(); got != "one\ntwo\n" || l.String() != "" {
		t.Errorf("took %q, and %q is left", got, l.String())
	}
}
