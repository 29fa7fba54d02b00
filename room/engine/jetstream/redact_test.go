package jetstream

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/cuts"
)

func redact(t testing.TB, e *Engine, room string, offsets ...uint64) {
	t.Helper()
	c := make(chan error, 1)
	e.Redact(room, offsets, func(err error) { c <- err })
	if err := receive(t, c); err != nil {
		t.Fatal(err)
	}
}

func removeHistory(t testing.TB, e *Engine, room string) {
	t.Helper()
	c := make(chan error, 1)
	e.RemoveHistory(room, func(err error) { c <- err })
	if err := receive(t, c); err != nil {
		t.Fatal(err)
	}
}

// filesWith returns the files of the server's store that contain a text.
func filesWith(t testing.TB, s *natsServer, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the server has replaced a file: its new name is found, too
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			names = append(names, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// secret are messages of which some are redacted.
type secret struct {
	all   []uint64        // offsets
	known map[uint64]bool // redacted
}

// check compares a history, with the newest first, with what was published.
func (w *secret) check(h engine.History, before uint64, limit int) error {
	all := slices.DeleteFunc(slices.Clone(w.all), func(offset uint64) bool { return offset >= before })
	all = all[max(0, len(all)-limit):]
	if len(h.Publications) != len(all) {
		return fmt.Errorf("%d publications, want %d", len(h.Publications), len(all))
	}
	for i, p := range h.Publications {
		at := len(all) - 1 - i
		prev, where := uint64(0), slices.Index(w.all, all[at])
		if where > 0 {
			prev = w.all[where-1]
		}
		if p.Offset != all[at] || p.Prev != prev {
			return fmt.Errorf("publication %d is at %d after %d, want %d after %d", i, p.Offset, p.Prev, all[at], prev)
		}
		text := fmt.Sprint("secret ", where, ".")
		if w.known[p.Offset] != p.Redacted() || !p.Redacted() && string(p.Data) != text || p.Redacted() && string(p.Data) != "{}" || p.From == nil || p.From.Client != "1" {
			return fmt.Errorf("the publication at %d is %+v", p.Offset, p)
		}
	}
	return nil
}

// TestRedactErases redacts publications in the middle and at the end of a room's log, on a node without
// members. Their text leaves the store's files, and all nodes have the rest of them in their places: in
// recent publications, in pages, and in what a topic catches up with; also after a restart.
func TestRedactErases(t *testing.T) {
	s := startServer(t)
	keep := func(string) engine.Retention { return engine.Retention{Messages: 1 << 30, Bytes: 1 << 40} }
	a, b := open(t, s, Config{Keep: keep}), open(t, s, Config{Keep: keep})
	r := newRecorder()
	b.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	const n = 400
	w := &secret{known: map[uint64]bool{}}
	for i := range n {
		m := text(fmt.Sprint("secret ", i, "."))
		m.From = &engine.Author{Client: "1"} // without a user, it is not sealed
		w.all = append(w.all, publish(t, a, "r", m).pos.Offset)
	}
	r.wait(t, "all", func() bool { return len(r.got) == n })
	history(t, b, "r", engine.Span{Limit: 300, Newest: true}) // b has them in memory now
	if len(filesWith(t, s, "secret 200.")) == 0 {
		t.Fatal("the text cannot be found in the files, so the test proves nothing")
	}
	var gone []uint64
	for _, i := range []int{0, 60, 61, 62, 200, 396, 398, 399} {
		gone = append(gone, w.all[i])
		w.known[w.all[i]] = true
	}
	redact(t, a, "r", append(gone, 1<<40)...)

	pages := func(e *Engine) error {
		for _, part := range []engine.Span{{Limit: 50, Newest: true}, {Limit: 300, Newest: true}, {Limit: 20, Newest: true, Before: w.all[70]}, {Limit: 50, Newest: true, Before: w.all[10]},
			{Limit: 3, Newest: true, Before: w.all[63]}, {Limit: 600, Newest: true}} {
			before := part.Before
			if before == 0 {
				before = 1 << 62
			}
			h := history(t, e, "r", part)
			if h.Top.Offset != w.all[n-1] {
				return fmt.Errorf("%+v: the top is %d, want %d", part, h.Top.Offset, w.all[n-1])
			}
			if err := w.check(h, before, part.Limit); err != nil {
				return fmt.Errorf("%+v: %w", part, err)
			}
			if h := history(t, e, "r", engine.Span{Behind: w.all[n-3], Limit: -1}); len(h.Publications) != 2 || !h.Publications[0].Redacted() || h.Publications[0].Prev != w.all[n-3] {
				return fmt.Errorf("recovered: %+v", h.Publications)
			}
		}
		return nil
	}
	if err := pages(a); err != nil {
		t.Errorf("on the node that has redacted: %v", err)
	}
	eventually(t, func() error { return pages(b) })
	late := newRecorder()
	c := open(t, s, Config{Keep: keep})
	c.Subscribe("r", budget.Owner{}, late)
	late.wait(t, "Begin", func() bool { return len(late.begins) == 1 })
	if late.begins[0].Offset != w.all[n-1] {
		t.Errorf("a subscriber begins at %d, the last publication was redacted at %d", late.begins[0].Offset, w.all[n-1])
	}
	after := publish(t, c, "r", text("after"))
	for _, r := range []*recorder{r, late} {
		r.wait(t, "the next publication", func() bool {
			return len(r.got) > 0 && r.got[len(r.got)-1].Offset == after.pos.Offset && r.got[len(r.got)-1].Prev == w.all[n-1]
		})
	}

	for range 2 {
		for _, i := range []int{0, 60, 200, 399} {
			if names := filesWith(t, s, fmt.Sprint("secret ", i, ".")); len(names) != 0 {
				t.Errorf("text %d is still in %v", i, names)
			}
		}
		if len(filesWith(t, s, "secret 201.")) == 0 {
			t.Error("more is gone than was redacted")
		}
		s.stop()
		s.start()
	}
	fresh := open(t, s, Config{Keep: keep})
	if err := w.check(history(t, fresh, "r", engine.Span{Limit: n, Newest: true, Before: after.pos.Offset}), after.pos.Offset, n); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestRedactTwice redacts publications in two calls at the same time, as an edit and a deletion of its message do.
func TestRedactTwice(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	for range 5 {
		at := publish(t, e, "r", text("secret")).pos.Offset
		c := make(chan error, 2)
		for range 2 {
			e.Redact("r", []uint64{at}, func(err error) { c <- err })
		}
		for range 2 {
			if err := receive(t, c); err != nil {
				t.Error(err)
			}
		}
		if err := e.overwrite(e.class("r"), at); err != nil {
			t.Errorf("after that: %v", err)
		}
	}
}

// TestRedactOnItsWay redacts publications that a topic has not delivered yet, because it has to read them
// from the log.
func TestRedactOnItsWay(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	r := newRecorder()
	b.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	topic := b.topic("r")
	topic.mu.Lock()
	var at []uint64
	for i := range 3 {
		at = append(at, publish(t, a, "r", text(fmt.Sprint(i))).pos.Offset)
	}
	topic.mu.Unlock()
	redact(t, a, "r", at[1])
	publish(t, a, "r", text("3"))
	r.wait(t, "all", func() bool { return len(r.got) == 4 })
	checkChain(t, r.got)
	eventually(t, func() error {
		h := history(t, b, "r", engine.Span{Limit: -1})
		if len(h.Publications) != 4 || !h.Publications[1].Redacted() || h.Publications[2].Redacted() {
			return fmt.Errorf("%+v", h.Publications)
		}
		return nil
	})
}

// TestRedactComing checks that a publication that was read before it was redacted, and is delivered after
// that, does not stay in memory.
func TestRedactComing(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	r := newRecorder()
	e.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	next := publish(t, e, "other", text("x")).pos.Offset + 1
	e.topic("r").redact([]uint64{next})
	for i := range 2 {
		publish(t, e, "r", text(fmt.Sprint(i)))
	}
	r.wait(t, "both", func() bool { return len(r.got) == 2 })
	h := history(t, e, "r", engine.Span{Limit: -1})
	if len(h.Publications) != 2 || h.Publications[0].Offset != next || !h.Publications[0].Redacted() || h.Publications[1].Redacted() {
		t.Errorf("%+v", h.Publications)
	}
	if n := len(e.topic("r").coming); n != 0 {
		t.Errorf("%d redacted publications are still expected", n)
	}
}

// TestRemoveHistory removes the history of a room on a node without members, twice. On all nodes it has a
// new epoch, and no call returns what was published before.
func TestRemoveHistory(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	r := newRecorder()
	b.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	epochs := map[string]bool{r.begins[0].Epoch: true}
	other := publish(t, a, "other", text("stays"))
	for round := range 2 {
		var at []uint64
		for i := range 5 {
			at = append(at, publish(t, a, "r", text(fmt.Sprint(i))).pos.Offset)
		}
		redact(t, a, "r", at[2], at[4])
		history(t, b, "r", engine.Span{Limit: -1})
		removeHistory(t, a, "r")
		r.wait(t, "Begin after the removal", func() bool { return len(r.begins) == round+2 })
		top := r.begins[round+1]
		if epochs[top.Epoch] || top.Offset != at[4] {
			t.Errorf("after the removal of %d..%d the room begins at %v", at[0], at[4], top)
		}
		epochs[top.Epoch] = true
		for name, e := range map[string]*Engine{"a": a, "b": b, "new": open(t, s, Config{Keep: always})} {
			for _, part := range []engine.Span{{Limit: -1}, {Limit: 10, Newest: true}, {Behind: at[0], Limit: -1}, {Before: at[3], Limit: 10, Newest: true}, {Before: at[3], Limit: 10}} {
				if h := history(t, e, "r", part); len(h.Publications) != 0 || h.Top != top {
					t.Errorf("node %s, %+v: %+v, want none and the top %v", name, part, h, top)
				}
			}
		}
		eventually(t, func() error {
			if n := a.stubs().Count(a.class("r").Class, "r", 0); n != 0 {
				return fmt.Errorf("%d stubs of the removed history are left", n)
			}
			return nil
		})
	}
	after := publish(t, a, "r", text("after"))
	top := r.begins[2]
	if after.pos.Epoch != top.Epoch || after.pos.Offset <= top.Offset {
		t.Errorf("the next publication is at %v after %v", after.pos, top)
	}
	for _, e := range []*Engine{a, b} {
		eventually(t, func() error {
			if h := history(t, e, "r", engine.Span{Limit: -1}); len(h.Publications) != 1 || h.Publications[0].Prev != top.Offset || h.Top != after.pos {
				return fmt.Errorf("%+v", h)
			}
			return nil
		})
	}
	if h := history(t, a, "other", engine.Span{Limit: -1}); len(h.Publications) != 1 || h.Top != other.pos {
		t.Errorf("another room lost its history: %+v", h)
	}
	removeHistory(t, a, "nobody knows this room")
	if e := a.state.Entry(engine.Key{Table: cuts.Table, Of: "nobody knows this room", Name: "ever"}); e.Version != 0 {
		t.Error("an unknown room got an entry")
	}
}

// TestCutHides sets a cut while the messages before it are still in the stream, as they are when their
// removal has failed. No call returns them.
func TestCutHides(t *testing.T) {
	s := startServer(t)
	a, b := open(t, s, Config{Keep: always}), open(t, s, Config{Keep: always})
	var at []uint64
	for i := range 400 {
		at = append(at, publish(t, a, "r", text(fmt.Sprint(i))).pos.Offset)
	}
	before := at[99]
	if err := a.put(engine.Entry{Key: engine.Key{Table: cuts.Table, Of: "r", Name: "ever"}, Value: cuts.Cut{Times: 1, Offset: before}.Encode()}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []*Engine{a, b} {
		eventually(t, func() error {
			for _, c := range []struct {
				part  engine.Span
				first int // number of the first publication of the answer
				n     int
			}{
				{engine.Span{Limit: 5}, 100, 5},
				{engine.Span{Limit: 1000}, 100, 300},
				{engine.Span{Limit: 50, Newest: true, Before: at[120]}, 119, 20},
				{engine.Span{Limit: 50, Newest: true, Before: at[80]}, 0, 0},
				{engine.Span{Limit: 50, Before: at[80]}, 0, 0},
				{engine.Span{Behind: at[50], Limit: 2}, 100, 2},
			} {
				all := history(t, e, "r", c.part).Publications
				if len(all) != c.n {
					return fmt.Errorf("%+v: %d publications, want %d", c.part, len(all), c.n)
				}
				if c.n > 0 && (all[0].Offset != at[c.first] || all[0].Prev != at[c.first-1]) {
					return fmt.Errorf("%+v: begins with %d after %d, want %d after %d", c.part, all[0].Offset, all[0].Prev, at[c.first], at[c.first-1])
				}
			}
			return nil
		})
	}
	// The first publication after the cut names it as the one before, also when the message there is gone.
	a.wipe(a.class("r").cutOf("r"))
	eventually(t, func() error {
		if first, err := a.firstBefore(a.class("r"), "r"); first != 0 || err != nil {
			return fmt.Errorf("the message at %d is still there: %v", first, err)
		}
		return nil
	})
	if all := history(t, a, "r", engine.Span{Limit: 5}).Publications; len(all) != 5 || all[0].Prev != before {
		t.Errorf("after the removal: %+v", all)
	}
}
