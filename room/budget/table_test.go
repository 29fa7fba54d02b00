package budget

import (
	"os"
	"strings"
	"testing"
)

// The table in doc.go is the one in code.
func TestDocHasTheTable(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for line := range strings.Lines(Text(Table())) {
		want.WriteString("//\t" + strings.TrimRight(line, " \n") + "\n")
	}
	if !strings.Contains(string(doc), want.String()) {
		t.Errorf("doc.go should have:\n%s", want.String())
	}
}

func TestTableIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Table() {
		switch {
		case r.Name == "" || r.Unit == "" || r.Payer == "" || r.Answer == "" || r.Package == "":
			t.Errorf("a field is missing: %+v", r)
		case r.Conn+r.User+r.Addr == "":
			t.Errorf("%s: the row has no default", r.Name)
		case seen[r.Name]:
			t.Errorf("%s appears twice", r.Name)
		}
		seen[r.Name] = true
	}
}

func TestRateString(t *testing.T) {
	for _, r := range Commands {
		if r.ConnRate.N > r.UserRate.N {
			t.Errorf("%s: a connection may spend more than its user", r.Name)
		}
	}
	for want, r := range map[string]Rate{
		"none": Unlimited, "50/10s": {50, 10e9}, "256/1m": {256, 60e9}, "8MiB/10s": {8 << 20, 10e9}, "1024/1h": {1 << 10, 3600e9},
		"1025/1m30s": {1025, 90e9}, "0/100ms": {0, 1e8}, "3/10m": {3, 600e9},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v is %q, want %q", r, got, want)
		}
	}
}
