package chat

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"webim/room"
	"webim/room/wire"
)

// TestExamples runs the examples of doc.go in both encodings.
func TestExamples(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, examples, ok := strings.Cut(string(source), "// # Examples")
	if !ok {
		t.Fatal("doc.go has no examples")
	}
	for _, enc := range []wire.Encoding{wire.JSON, wire.Protobuf} {
		t.Run(enc.String(), func(t *testing.T) { runExamples(t, enc, examples) })
	}
}

func runExamples(t *testing.T, enc wire.Encoding, examples string) {
	h := build(t, room.Config{})
	people := map[string]*person{"alice": h.comeAs(enc, "alice"), "bob": h.comeAs(enc, "bob"), "carol": h.comeAs(enc, "carol", "moderator")}
	all := []*person{people["alice"], people["bob"], people["carol"]}
	for _, p := range all {
		p.join("lobby")
	}
	var caller, result, fault string
	ran := 0
	for line := range strings.SplitSeq(examples, "\n") {
		line, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			continue
		}
		switch name, rest, _ := strings.Cut(line, " "); {
		case strings.HasPrefix(rest, "→ "):
			caller = name
			method, data, _ := strings.Cut(strings.TrimPrefix(rest, "→ "), " ")
			result, fault = people[caller].call(method, data)
		case name == "←":
			code, isError := strings.CutPrefix(rest, "error ")
			if isError && !strings.HasPrefix(fault, code+" ") || !isError && (fault != "" || !matches(rest, result)) {
				t.Errorf("%s\n gets %s %s", line, result, fault)
			}
			ran++
		case name == "!":
			for _, p := range all {
				if got := p.nextIn("lobby"); !matches("lobby: "+rest, got) {
					t.Errorf("%s\n %s gets %s", line, p.name, got)
				}
			}
		case strings.HasPrefix(rest, "! "):
			want := strings.TrimPrefix(rest, "! ")
			where, _, _ := strings.Cut(want, ":")
			if got := people[name].nextIn(where); !matches(want, got) {
				t.Errorf("%s\n %s gets %s", line, name, got)
			}
		default:
			t.Errorf("unknown kind of line in doc.go: %q", line)
		}
	}
	if ran < 20 {
		t.Errorf("only %d examples were run", ran)
	}
	for _, p := range all {
		if len(p.events)+len(p.stash) > 0 {
			t.Errorf("%s also gets %s, and %d more", p.name, p.stash, len(p.events))
		}
	}
}

// matches compares got with a pattern in which … stands for any text.
func matches(pattern, got string) bool {
	parts := strings.Split(pattern, "…")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(got)
}
