package encode

import (
	"testing"

	"github.com/gobwas/ws"

	"webim/room/engine"
)

// TestSet checks that a set encodes a message once for each dialect, and that it does not write the
// next message into the data of a publisher.
func TestSet(t *testing.T) {
	data := []byte("data of the publisher")
	for round := range 3 {
		s, calls := NewSet(), 0
		for range 2 {
			for d := range Dialect(NumDialects) {
				m := s.Get(d, func(d Dialect, dst []byte) Message {
					if calls++; d == Plain {
						return Message{ws.OpText, data}
					}
					return Message{ws.OpText, append(dst, "encoded"...)}
				})
				if want := map[bool]string{true: "data of the publisher", false: "encoded"}[d == Plain]; string(m.Data) != want {
					t.Errorf("round %d, dialect %d: %q", round, d, m.Data)
				}
			}
		}
		if s.Free(); calls != NumDialects {
			t.Errorf("round %d: encoded %d times", round, calls)
		}
	}
}

// TestPublication checks the dialects in which a publication can be expressed.
func TestPublication(t *testing.T) {
	for _, c := range []struct {
		p    engine.Message
		want [NumDialects]ws.OpCode
	}{
		{engine.Message{Op: ws.OpText, Data: []byte("text")}, [...]ws.OpCode{ws.OpText, ws.OpText, ws.OpBinary}},
		{engine.Message{Op: ws.OpBinary, Data: []byte{1}}, [...]ws.OpCode{ws.OpBinary, 0, ws.OpBinary}},
		{engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"t"}`)}, [...]ws.OpCode{ws.OpText, ws.OpText, ws.OpBinary}},
		{engine.Message{Op: engine.OpJSON, Data: []byte("{}"), Tags: map[string]string{engine.TagEvent: "edit"}}, [...]ws.OpCode{0, ws.OpText, ws.OpBinary}},
	} {
		for d := range Dialect(NumDialects) {
			if m := Publication(&engine.Publication{Message: c.p}, "r", d, nil); m.Op != c.want[d] {
				t.Errorf("%v %q in dialect %d: %v, want %v", c.p.Op, c.p.Data, d, m.Op, c.want[d])
			}
		}
	}
}
