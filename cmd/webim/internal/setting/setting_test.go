package setting

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/room/budget"
)

// sample has a field of each kind.
type sample struct {
	ignored int
	On      bool          `name:"on" type:"bool" def:"false"`
	Count   int           `name:"max-count" type:"count" def:"auto" words:"auto" min:"1" max:"100"`
	Size    int           `name:"size" type:"size" def:"64KiB" min:"1KiB" max:"1MiB"`
	Time    time.Duration `name:"time" type:"time" def:"10s" words:"none,always" min:"1s" max:"1h"`
	Word    string        `name:"word" type:"oneof" def:"text" oneof:"text,json"`
	Rate    budget.Rate   `name:"rate" type:"rate" def:"50/10s" words:"none"`
	Flow    budget.Rate   `name:"flow" type:"flow" def:"8MiB/10s"`
	List    []string      `name:"list" type:"list" def:""`
	Text    string        `name:"text" type:"text" def:""`
	Secret  string        `name:"secret" type:"secret" def:""`
}

var samples = MakeTable(reflect.TypeFor[sample]())

// TestValues checks for each kind the values that it takes and the texts to which they are formatted, and
// that the error for another text says how to write it.
func TestValues(t *testing.T) {
	for _, c := range []struct{ key, text, want, err string }{
		{"on", "yes", "true", ""}, {"on", "perhaps", "", "neither true nor false"},
		{"max_count", "100", "100", ""}, {"max_count", "auto", "auto", ""}, {"max_count", "101", "", "it must be 1 to 100, or auto"}, {"max_count", "many", "", "write digits only, or auto"},
		{"size", "2048", "2KiB", ""}, {"size", "2MiB", "", "it must be 1KiB to 1MiB"}, {"size", "1KB", "", "write bytes as 65536"},
		{"time", "5m0s", "5m", ""}, {"time", "none", "none", ""}, {"time", "10", "", "is not a duration"},
		{"word", "json", "json", ""}, {"word", "xml", "", "write text or json"},
		{"rate", "300/1m", "300/1m", ""}, {"rate", "none", "none", ""}, {"rate", "300", "", "write a number and a time"},
		{"flow", "1024KiB/1s", "1MiB/1s", ""}, {"flow", "none", "", "write a size and a time"},
		{"list", " a, b ", "a,b", ""}, {"text", " a ", "a", ""}, {"secret", " a ", " a ", ""},
	} {
		var in sample
		s := Lookup(samples, c.key, (*Setting).Key)
		err := s.Parse(c.text, s.Field(&in))
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %q: %v, want %q", c.key, c.text, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %q: %v", c.key, c.text, err)
		default:
			if got := s.Format(s.Field(&in)); got != c.want {
				t.Errorf("%s: %q is formatted as %q, want %q", c.key, c.text, got, c.want)
			}
		}
	}
}

// TestTable checks the names of settings, and that a field without tags is none.
func TestTable(t *testing.T) {
	s := samples[1]
	if len(samples) != 10 || s.Key() != "max_count" || s.Env() != "WEBIM_MAX_COUNT" || !slices.Equal(s.Words, []string{"auto"}) {
		t.Errorf("%d settings; %+v, %s, %s", len(samples), s, s.Key(), s.Env())
	}
	if Lookup(samples, "ignored", (*Setting).Key) != nil {
		t.Error("a field without tags is a setting")
	}
}

// TestYAML checks the lines of a file, and the place in an error.
func TestYAML(t *testing.T) {
	pairs, err := ParseYAML([]byte("# ours\nmax_count: 3\n\nlist:\n  - a\n  - null\ntext:\nrooms:\n  - match: a\n"), samples)
	if err != nil || len(pairs) != 4 {
		t.Fatal(pairs, err)
	}
	var got []string
	for _, p := range pairs {
		got = append(got, fmt.Sprintf("%d %s=%s list %v, empty %v, node %v", p.Line, p.Key, p.Text, p.List, p.Empty, p.Node != nil))
	}
	want := []string{"2 max_count=3 list false, empty false, node false", "4 list=a,null list true, empty false, node false",
		"7 text=null list false, empty true, node false", "8 rooms= list false, empty false, node true"}
	if !slices.Equal(got, want) {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for text, want := range map[string]string{
		"text:\n  deep: er": ":1: text needs a plain value or a list of them",
		"- a":               ":1: this is not a list of settings",
		"a: 1\n---\nb: 2":   ": it has several documents",
		"text: [":           ":1: this is not YAML",
	} {
		if _, err := ParseYAML([]byte(text), samples); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"max_conns", "max_rooms", "listen"}
	for text, want := range map[string]string{"max-cons": "max_conns", "lisen": "listen", "colour": "", "max_roms": "max_rooms"} {
		if got := Nearest(text, names); got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1B": 1, "65536": 65536, "64KiB": 65536, "64 KiB": 65536, "1MiB": 1 << 20, "3GiB": 3 << 30, "1TiB": 1 << 40,
		"8388607TiB": 8388607 << 40,
	} {
		if n, ok := ParseSize(text); !ok || n != want {
			t.Errorf("%q is %d, %v, want %d", text, n, ok, want)
		}
	}
	for _, text := range []string{"", "KiB", "64KB", "64k", "1.5MiB", "1e6", "0x10", "1_000", "8388608TiB", "99999999999999999999", "64KiBKiB", "-"} {
		if n, ok := ParseSize(text); ok {
			t.Errorf("%q is taken for %d", text, n)
		}
	}
}
