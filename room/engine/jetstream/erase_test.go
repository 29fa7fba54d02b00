package jetstream

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/ids"
	"webim/room/engine/jetstream/internal/seal"
)

// said is a message of a user.
func said(user, data string) engine.Message {
	m := text(data)
	m.From = &engine.Author{User: user, Client: "c-" + user, ConnInfo: []byte(`{"name":"name of ` + user + `"}`)}
	m.Tags = map[string]string{engine.TagEvent: "x", "more": "tag of " + user}
	return m
}

func erase(t testing.TB, e *Engine, user string) {
	t.Helper()
	c := make(chan error, 1)
	e.Erase(user, func(err error) { c <- err })
	if err := receive(t, c); err != nil {
		t.Fatal(err)
	}
}

// keyRecord returns the key of a user as it is stored; nil: none.
func keyRecord(t testing.TB, e *Engine, user string) []byte {
	t.Helper()
	type answer struct {
		record []byte
		err    error
	}
	c := make(chan answer, 1)
	e.userKeys.Get(user, 0, false, func(record []byte, _ bool, err error) { c <- answer{record, err} })
	a := receive(t, c)
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a.record
}

// readable returns the texts of a history, oldest first, with - for those that are redacted. A redacted
// publication must have nothing that the user has said.
func readable(h engine.History) (string, error) {
	var all []string
	for _, p := range h.Publications {
		if !p.Redacted() {
			all = append(all, string(p.Data))
			continue
		}
		all = append(all, "-")
		if string(p.Data) != "{}" || p.From == nil || p.From.User == "" || p.From.ConnInfo != nil || p.Tags["more"] != "" || p.Tags[engine.TagEvent] != "x" {
			return "", fmt.Errorf("a redacted publication is %+v from %+v", p, p.From)
		}
	}
	return strings.Join(all, " "), nil
}

func checkReadable(t testing.TB, e *Engine, room string, part engine.Span, want string) error {
	t.Helper()
	got, err := readable(history(t, e, room, part))
	if err == nil && got != want {
		err = fmt.Errorf("%+v: %q, want %q", part, got, want)
	}
	return err
}

// TestErase erases a user on a node without members, while another node has the room in memory. What the
// user has said is readable nowhere, and neither the texts nor the key are in the files of the store. What
// the user says later is readable, on all nodes, and after a restart.
func TestErase(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	r := newRecorder()
	b.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	all := engine.Span{Limit: -1}
	for i, user := range []string{"ann", "bob", "ann", "", "ann", "bob"} {
		if got := publish(t, a, "r", said(user, fmt.Sprint(user, "-text-", i))); got.err != nil {
			t.Fatal(got.err)
		}
	}
	skipped := said("ann", "skipped")
	skipped.Skip = true
	publish(t, a, "r", skipped)
	r.wait(t, "all", func() bool { return len(r.got) == 7 })
	for i, p := range r.got[:6] {
		if user := p.From.User; !strings.HasPrefix(string(p.Data), user+"-text") || p.Tags["more"] != "tag of "+user || !strings.Contains(string(p.From.ConnInfo), "name of "+user) {
			t.Errorf("publication %d was delivered as %+v from %+v", i, p, p.From)
		}
	}
	before := "ann-text-0 bob-text-1 ann-text-2 -text-3 ann-text-4 bob-text-5"
	for _, e := range []*Engine{a, b} {
		if err := checkReadable(t, e, "r", all, before); err != nil {
			t.Fatal(err)
		}
	}
	redact(t, a, "r", r.got[4].Offset)
	key := keyRecord(t, a, "ann")
	if len(key) == 0 || len(filesWith(t, s, string(key))) == 0 || len(filesWith(t, s, "-text-3")) == 0 {
		t.Fatal("the key and the text that is not sealed are not found in the files, so the test proves nothing")
	}

	erase(t, a, "ann")
	after := "- bob-text-1 - -text-3 - bob-text-5"
	if err := checkReadable(t, a, "r", all, after); err != nil {
		t.Errorf("on the node that has erased: %v", err)
	}
	eventually(t, func() error { return checkReadable(t, b, "r", all, after) })
	if err := checkReadable(t, b, "r", engine.Span{Limit: 10, Newest: true}, "bob-text-5 - -text-3 - bob-text-1 -"); err != nil {
		t.Error(err)
	}
	for i, e := range []*Engine{b, a} {
		if got := publish(t, e, "r", said("ann", fmt.Sprint("new-", i))); got.err != nil {
			t.Fatal(got.err)
		}
	}
	r.wait(t, "the new ones", func() bool { return len(r.got) == 9 })
	after += " new-0 new-1"
	for _, e := range []*Engine{a, b, open(t, s, Config{Keep: always})} {
		if err := checkReadable(t, e, "r", all, after); err != nil {
			t.Error(err)
		}
	}
	erase(t, b, "bob")
	after = strings.NewReplacer("bob-text-1", "-", "bob-text-5", "-").Replace(after)
	if err := checkReadable(t, b, "r", all, after); err != nil {
		t.Errorf("on the node that has erased: %v", err)
	}
	if now := keyRecord(t, a, "ann"); len(now) == 0 || string(now) == string(key) {
		t.Error("the user has no new key")
	}
	for range 2 {
		for _, what := range []string{string(key), "ann-text", "name of ann", "tag of ann", "bob-text"} {
			if names := filesWith(t, s, what); len(names) != 0 {
				t.Errorf("%q is in %v", what, names)
			}
		}
		s.stop()
		s.start()
	}
	if err := checkReadable(t, open(t, s, Config{Keep: always}), "r", all, after); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestExtendRefuses checks that a topic does not keep what was read before a user was erased, or before the
// history was removed.
func TestExtendRefuses(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	r := newRecorder()
	e.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	publish(t, e, "r", said("ann", "x"))
	r.wait(t, "the publication", func() bool { return len(r.got) == 1 })
	erasures, epoch, keep := e.erasures.Load(), r.begins[0].Epoch, always("r")
	if _, ok := e.topic("r").extend(epoch, erasures, 0, nil, false, &keep); !ok {
		t.Error("refused without a reason")
	}
	erase(t, e, "ann")
	if _, ok := e.topic("r").extend(epoch, erasures, 0, nil, false, &keep); ok {
		t.Error("what was read before the erasure is kept")
	}
	if _, ok := e.topic("r").extend("another epoch", e.erasures.Load(), 0, nil, false, &keep); ok {
		t.Error("what was read in another epoch is kept")
	}
}

// TestSealedOrder publishes many messages at once whose author has no key yet, from one buffer: they keep
// their order and their texts, also on a node that does not know the key.
func TestSealedOrder(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	ra, rb := newRecorder(), newRecorder()
	a.Subscribe("r", budget.Owner{}, ra)
	b.Subscribe("r", budget.Owner{}, rb)
	for _, r := range []*recorder{ra, rb} {
		r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	}
	const n = 200
	buffer := make([]byte, 3)
	c := make(chan outcome, n)
	for i := range n {
		m := said("ann", "")
		m.Data = fmt.Appendf(buffer[:0], "%03d", i)
		a.Publish("r", m, func(p engine.Position, err error) { c <- outcome{p, err} })
		clear(buffer)
	}
	for range n {
		if o := receive(t, c); o.err != nil {
			t.Fatal(o.err)
		}
	}
	for _, r := range []*recorder{ra, rb} {
		r.wait(t, "all", func() bool { return len(r.got) == n })
		checkChain(t, r.got)
	}
	for _, e := range []*Engine{a, b} {
		for i, p := range history(t, e, "r", engine.Span{Limit: -1}).Publications {
			if string(p.Data) != fmt.Sprintf("%03d", i) {
				t.Fatalf("publication %d is %q", i, p.Data)
			}
		}
	}
}

// TestSealedKeys repeats messages with a Key on another node, which compares them by a digest that needs the
// user's key: without it, a short text could be guessed from a hash.
func TestSealedKeys(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	m := said("ann", "yes")
	m.Key = "ann 1"
	first := publish(t, a, "r", m)
	if first.err != nil {
		t.Fatal(first.err)
	}
	one, err := a.read.At(a.ctx, a.class("r").Stream, first.pos.Offset)
	if err != nil {
		t.Fatal(err)
	}
	if env, err := envelope.Decode(one.Data); err != nil || env.Key == "" || env.Key == ids.Content(&m) {
		t.Errorf("the stored digest is %q, %v, and everybody can compute %q", env.Key, err, ids.Content(&m))
	}
	if got := publish(t, b, "r", m); got != (outcome{first.pos, engine.ErrRepeated}) {
		t.Errorf("repeated: %+v, want %+v", got, first)
	}
	c := open(t, s, Config{Keep: always})
	other := said("ann", "no")
	other.Key = m.Key
	if got := publish(t, c, "r", other); !errors.Is(got.err, engine.ErrKeyReused) {
		t.Errorf("with other content: %+v", got)
	}
	erase(t, a, "ann")
	if got := publish(t, open(t, s, Config{Keep: always}), "r", m); got != (outcome{first.pos, engine.ErrRepeated}) {
		t.Errorf("repeated after the erasure: %+v", got)
	}
}

// TestSealedElsewhere stores a sealed message of one room in another one: it cannot be read there, and the
// room goes on.
func TestSealedElsewhere(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	first := publish(t, e, "r", said("ann", "x"))
	one, err := e.read.At(e.ctx, e.class("r").Stream, first.pos.Offset)
	if err != nil {
		t.Fatal(err)
	}
	r := newRecorder()
	e.Subscribe("other", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	if _, err := e.js.Publish(e.ctx, e.class("other").Room("other"), one.Data); err != nil {
		t.Fatal(err)
	}
	publish(t, e, "other", text("y"))
	r.wait(t, "the next publication", func() bool { return len(r.got) == 1 })
	if string(r.got[0].Data) != "y" {
		t.Errorf("delivered %+v", r.got[0])
	}
}

// BenchmarkSeal measures what sealing adds to publishing a message: per message of 128 bytes.
func BenchmarkSeal(b *testing.B) {
	e := open(b, startServer(b), Config{Keep: always})
	for _, user := range []string{"", "ann"} {
		m := said(user, strings.Repeat("x", 128))
		publish(b, e, "r", m) // makes the key
		b.Run(map[string]string{"": "clear", "ann": "sealed"}[user], func(b *testing.B) {
			b.ReportAllocs()
			var bytes []byte
			for b.Loop() {
				env := codec.Encode(&m, e.now(), 1, 1)
				e.codec.Seal("r", env, nil, func(_ *seal.Key, err error) {
					if err != nil {
						b.Fatal(err)
					}
					bytes = envelope.Append(bytes[:0], env)
				})
			}
		})
		env := codec.Encode(&m, e.now(), 1, 1)
		e.codec.Seal("r", env, nil, func(*seal.Key, error) {})
		stored := envelope.Append(nil, env)
		b.Run(map[string]string{"": "read clear", "ann": "read sealed"}[user], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := e.codec.Decode("r", 2, stored, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
