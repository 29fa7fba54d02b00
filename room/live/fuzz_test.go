package live

import (
	"testing"

	"github.com/gobwas/ws"
)

// Any bytes are either exactly one request or refused.
func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"key":"k"}`, `{"token":"t"}`, `{"find":{"user":"ann"}}`, `{"find":{"client":"c"}}`, `{"find":{"room":"r*"}}`, `{"find":null}`, `{}`, `null`, `[`, "\xff"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		q, ok := parse(ws.OpText, data)
		if !ok {
			return
		}
		if said := len(set(q.Key != nil, q.Token != nil, q.Find != nil)); said != 1 {
			t.Errorf("%q says %d things", data, said)
		}
		if q.Find != nil && len(set(q.Find.User != "", q.Find.Client != "", q.Find.Room != "")) != 1 {
			t.Errorf("%q looks for %+v", data, *q.Find)
		}
	})
}

func set(all ...bool) (those []bool) {
	for _, b := range all {
		if b {
			those = append(those, b)
		}
	}
	return those
}
