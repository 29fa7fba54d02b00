package option

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]string{"128": "128", "64-1024": "64-1024", "128:90,4096:10": "128:90,4096:10", "16-20:3,99": "16-20:3,99:1", "50:7": "50"} {
		if s, err := ParseSize(text); err != nil || s.String() != want {
			t.Errorf("%q: %q %v", text, s, err)
		}
	}
	for _, bad := range []string{"", "x", "15", "64-", "-64", "64-32", "128:", "128:0", "128:-1", "128,", "8-100", "99999999999", "16777217"} {
		if s, err := ParseSize(bad); err == nil || !strings.Contains(err.Error(), "--size") {
			t.Errorf("%q: %v %v", bad, s, err)
		}
	}
	if b, err := json.Marshal([]Size{FixedSize(128), {[]sizePart{{16, 20, 1}}}}); err != nil || string(b) != `[128,"16-20"]` {
		t.Errorf("%s %v", b, err)
	}
}

// The parts of a distribution have their shares of 100,000 messages, and the lengths of a range are equally frequent.
func TestSizeDistribution(t *testing.T) {
	s, err := ParseSize("128:90,4096:9,64-73:1")
	if err != nil {
		t.Fatal(err)
	}
	n := map[int]int{}
	for seq := range uint32(100000) {
		n[s.Of(seq)]++
	}
	if n[128] < 89000 || n[128] > 91000 || n[4096] < 8700 || n[4096] > 9300 || len(n) != 12 || n[64] < 60 || n[73] < 60 {
		t.Errorf("%v", n)
	}
}
