package messages

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"webim/room/engine"
)

// naive is a simple form of Fold without maps: for each message it goes through all following
// publications.
func naive(all []engine.Publication) (out []string) {
	for i, p := range all {
		if p.Tags["event"] != "" {
			continue
		}
		data, gone := string(p.Data), p.Tags["redacted"] != ""
		for _, q := range all[i+1:] {
			if q.Tags["of"] != fmt.Sprint(p.Offset) || gone {
				continue
			}
			switch q.Tags["event"] {
			case "edit":
				if q.From.User == p.From.User && q.Tags["redacted"] == "" {
					data = string(q.Data)
				}
			case "delete":
				gone, data = true, "{}"
			}
		}
		out = append(out, fmt.Sprint(p.Offset, data, gone))
	}
	return out
}

func TestFoldAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []engine.Publication
		users := []string{"alice", "bob", "carol"}
		for i := range rapid.IntRange(0, 40).Draw(t, "length") {
			user := rapid.SampledFrom(users).Draw(t, "user")
			p := engine.Publication{Message: engine.Message{Op: engine.OpJSON, Data: fmt.Appendf(nil, `{"n":%d}`, i), From: &engine.Author{User: user}}, Offset: uint64(2*i + 1)}
			if event := rapid.SampledFrom([]string{"", "", "edit", "delete", "react", "react", "unreact", "mark"}).Draw(t, "event"); event != "" {
				p.Tags = map[string]string{"event": event, "of": fmt.Sprint(rapid.IntRange(0, 2*i+3).Draw(t, "of"))}
				if strings.HasSuffix(event, "react") {
					p.Tags["emoji"] = rapid.SampledFrom([]string{"👍", "❤️"}).Draw(t, "emoji")
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "redacted") == 0 {
				if p.Tags == nil {
					p.Tags = map[string]string{}
				}
				p.Tags["redacted"], p.Data = "true", []byte("{}")
			}
			all = append(all, p)
		}
		all = all[rapid.IntRange(0, len(all)).Draw(t, "forgotten"):]
		var got []string
		for _, m := range Fold(all) {
			got = append(got, fmt.Sprint(m.Offset, string(m.Data), m.Deleted))
		}
		if want := naive(all); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("folded:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
