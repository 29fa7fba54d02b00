package jetstream

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/stubs"
)

// gone waits until a text is in no file of the store.
func gone(t *testing.T, s *natsServer, what string) {
	t.Helper()
	eventually(t, func() error {
		if names := filesWith(t, s, what); len(names) > 0 {
			return fmt.Errorf("%q is in %v", what, names)
		}
		return nil
	})
}

// TestRemovedHistoryIsInNoFile removes the history of a room, whose messages lie between those of another one.
func TestRemovedHistoryIsInNoFile(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	for i := range 30 {
		publish(t, e, "removed", text(fmt.Sprint("removed-text-", i)))
		publish(t, e, "kept", text(fmt.Sprint("kept-text-", i)))
	}
	if len(filesWith(t, s, "removed-text")) == 0 {
		t.Fatal("the texts are not found in the files, so the test proves nothing")
	}
	removeHistory(t, e, "removed")
	publish(t, e, "removed", text("later-text"))
	gone(t, s, "removed-text")
	for _, what := range []string{"kept-text-0", "kept-text-29", "later-text"} {
		if len(filesWith(t, s, what)) == 0 {
			t.Errorf("%q is gone, too", what)
		}
	}
	if h := history(t, e, "kept", engine.Span{Limit: -1}); len(h.Publications) != 30 {
		t.Errorf("the other room has %d publications", len(h.Publications))
	}
	if h := history(t, e, "removed", engine.Span{Limit: -1}); len(h.Publications) != 1 || string(h.Publications[0].Data) != "later-text" {
		t.Errorf("the room has %+v", h)
	}
}

// TestUnfinishedRemoval has a cut and a stub whose node has ended before it has deleted anything. A node that was
// there, and one that begins later, go on with that.
func TestUnfinishedRemoval(t *testing.T) {
	for _, there := range []bool{true, false} {
		t.Run(fmt.Sprint(there), func(t *testing.T) {
			s := startServer(t)
			ended := open(t, s, Config{Keep: always, lookEvery: time.Hour})
			other := Config{Keep: always, lookEvery: 20 * time.Millisecond}
			if there {
				open(t, s, other)
			}
			for i := range 5 {
				publish(t, ended, "removed", text(fmt.Sprint("removed-text-", i)))
			}
			at := publish(t, ended, "redacted", text("redacted-text")).pos.Offset
			publish(t, ended, "redacted", text("kept-text"))
			c := ended.class("r")
			one, err := ended.read.At(t.Context(), c.Stream, at)
			if err != nil {
				t.Fatal(err)
			}
			p, _, err := ended.codec.Decode("redacted", at, one.Data, true)
			if err != nil {
				t.Fatal(err)
			}
			p = p.Redact()
			stub := engine.Entry{Key: stubs.Key(c.Class, "redacted", at), Value: envelope.Append(nil, codec.Encode(&p.Message, p.Time, 0, 0))}
			removed := engine.Entry{Key: engine.Key{Table: cuts.Table, Of: "removed", Name: c.Token}, Value: cuts.Cut{Times: 1, Offset: at - 1}.Encode()}
			if err := errors.Join(ended.put(stub), ended.put(removed)); err != nil {
				t.Fatal(err)
			}
			if len(filesWith(t, s, "removed-text")) == 0 || len(filesWith(t, s, "redacted-text")) == 0 {
				t.Fatal("the texts are not found in the files, so the test proves nothing")
			}
			ended.Close()
			if !there {
				open(t, s, other)
			}
			gone(t, s, "removed-text")
			gone(t, s, "redacted-text")
			if len(filesWith(t, s, "kept-text")) == 0 {
				t.Error("a message was deleted that nobody has redacted")
			}
		})
	}
}

// TestRemovalsInAFullState fills the State. Then publications can be redacted, histories removed and users
// erased all the same, and stubs do not grow without a limit.
func TestRemovalsInAFullState(t *testing.T) {
	s := startServer(t)
	const most = 8 << 10
	a, b := open(t, s, Config{Keep: always, MaxState: most}), open(t, s, Config{Keep: always, MaxState: most})
	var err error
	for i := 0; err == nil; i++ {
		err = a.put(engine.Entry{Key: engine.Key{Table: engine.TableRevoked, Of: fmt.Sprint("u", i)}, Value: []byte("v")})
	}
	if !errors.Is(err, engine.ErrStateFull) {
		t.Fatal(err)
	}
	var at []uint64
	for i := range 60 {
		at = append(at, publish(t, a, "r", said("ann", fmt.Sprint("text-", i))).pos.Offset)
	}
	publish(t, a, "other", text("other-text"))
	for _, offset := range at[:50] {
		redact(t, a, "r", offset)
	}
	if n := a.state.Beside(); n > most+2048 {
		t.Errorf("the stubs take %d bytes, and the State may take %d", n, most)
	}
	for i, offset := range at[:50] {
		if one, err := a.read.At(t.Context(), a.class("r").Stream, offset); err == nil {
			t.Errorf("message %d is still there: %+v", i, one)
		}
	}
	erase(t, a, "ann")
	removeHistory(t, a, "other")
	for _, e := range []*Engine{a, b} {
		eventually(t, func() error {
			if n := len(history(t, e, "other", engine.Span{Limit: -1}).Publications); n != 0 {
				return fmt.Errorf("the removed history has %d publications", n)
			}
			for _, p := range history(t, e, "r", engine.Span{Limit: -1}).Publications {
				if !p.Redacted() {
					return fmt.Errorf("%d is readable", p.Offset)
				}
			}
			return nil
		})
	}
	if got := publish(t, b, "r", said("bob", "new")); got.err != nil {
		t.Error(got.err)
	}
	gone(t, s, "other-text")
}
