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

func TestRecords(t *testing.T) {
	var l Log
	fmt.Fprintln(&l, `{"msg":"open","n":1}`)
	fmt.Fprintln(&l, `{"msg":"close","why":"open"}`)
	fmt.Fprintln(&l, "open, in a text")
	fmt.Fprintln(&l, `{"msg":"open","n":2}`)
	if got := l.Records("open"); len(got) != 2 || got[0]["n"] != 1.0 || got[1]["n"] != 2.0 {
		t.Errorf("%v", got)
	}
	if got := l.Records("opened"); got != nil {
		t.Errorf("%v", got)
	}
}
