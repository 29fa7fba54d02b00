package jetstream

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/natstest"
)

// writeGolden makes the golden folder of the current format. That of an older format is never written again.
var writeGolden = flag.Bool("write-golden", false, "write testdata/vN, the golden folder of the current format of the store")

// openFolder starts an engine on a folder. close ends both.
func openFolder(t *testing.T, dir string) (e *Engine, close func()) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s := natstest.StartWith(t, embedded.Config{Dir: dir, Log: log})
	e = openWith(t, Config{Connect: s.Connect, Keep: always, Unclean: s.Unclean(), Log: log})
	return e, func() {
		e.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The rooms and the entries in a golden folder.
var (
	goldenRooms = []string{"r", "聊天 #1.>", "cut"}
	goldenKeys  = []engine.Key{{Table: engine.TableMark, Of: "anna", Name: "r"}, {Table: engine.TableBan, Of: "", Name: "bob. *"}, {Table: engine.TableMute, Of: "r", Name: "gone"}}
)

// fill writes what a golden folder has: something of each kind of bytes that webim stores for ever.
func fill(t *testing.T, e *Engine) {
	t.Helper()
	say := func(room string, m engine.Message) uint64 {
		t.Helper()
		got := publish(t, e, room, m)
		if got.err != nil {
			t.Fatal(got.err)
		}
		return got.pos.Offset
	}
	do := func(call func(done func(error))) {
		t.Helper()
		if err := e.wait(call); err != nil {
			t.Fatal(err)
		}
	}
	anna := &engine.Author{User: "anna", Client: "1", ConnInfo: []byte(`{"name":"Anna"}`), ChanInfo: []byte(`{"a":1}`)}
	bob := &engine.Author{User: "bob. *", Client: "2"}
	tags := map[string]string{engine.TagEvent: engine.EventEdit, engine.TagOf: "1", "more": "x"}
	say("r", engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"hello"}`), From: anna, Tags: tags})
	say("r", engine.Message{Op: ws.OpText, Data: []byte("hello, I have no name")})
	say("r", engine.Message{Op: ws.OpBinary, Data: []byte{0, 1, 2, 255}, From: &engine.Author{Client: "3"}})
	say("r", engine.Message{Op: engine.OpJSON, Data: []byte(`{"n":1}`), From: anna, CompactKey: "event"})
	say("r", engine.Message{Op: engine.OpJSON, Data: []byte(`{"n":2}`), From: anna, CompactKey: "event"})
	say("r", engine.Message{Op: engine.OpJSON, Data: []byte(`{"not":"kept"}`), From: anna, Skip: true})
	redacted := say("r", engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"to be redacted"}`), From: anna, Tags: tags})
	say("r", engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"by an erased user"}`), From: bob})
	say("r", engine.Message{Op: engine.OpJSON, Data: []byte(`{"text":"with a key"}`), From: anna, Key: "k"})
	say(goldenRooms[1], text("another room"))
	say("cut", text("before"))
	do(func(done func(error)) { e.RemoveHistory("cut", done) })
	say("cut", text("after"))
	do(func(done func(error)) { e.Redact("r", []uint64{redacted}, done) })
	do(func(done func(error)) { e.Erase("bob. *", done) })
	for i, k := range goldenKeys {
		entry := engine.Entry{Key: k, Value: fmt.Append(nil, "value ", i)}
		if i == 0 {
			entry.Owner = budget.User("anna")
		}
		do(func(done func(error)) { e.Put(entry, func(_ uint64, err error) { done(err) }) })
	}
	do(func(done func(error)) { e.Delete(goldenKeys[2], engine.AnyVersion, done) })
}

// contentOfStore describes all that fill has written, as JSON.
func contentOfStore(t *testing.T, e *Engine) []byte {
	t.Helper()
	type entry struct{ Table, Of, Name, Value, Owner string }
	var is struct {
		Rooms   map[string]engine.History
		Entries []entry
	}
	is.Rooms = map[string]engine.History{}
	for _, room := range goldenRooms {
		h := history(t, e, room, engine.Span{Limit: -1, Places: true})
		for i := range h.Publications {
			h.Publications[i].Time = h.Publications[i].Time.UTC()
		}
		is.Rooms[room] = h
	}
	for _, k := range goldenKeys {
		got := e.state.Entry(k)
		is.Entries = append(is.Entries, entry{k.Table, k.Of, k.Name, string(got.Value), got.Owner.String()})
	}
	b, err := json.MarshalIndent(is, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// TestGolden opens the store of each version of the format, and finds all that it has. Write the folder of a new
// version with: go test ./room/engine/jetstream -run TestGolden -write-golden
func TestGolden(t *testing.T) {
	if *writeGolden {
		write(t, filepath.Join("testdata", fmt.Sprint("v", streams.Format)))
	}
	for version := 1; version <= streams.Format; version++ {
		golden := filepath.Join("testdata", fmt.Sprint("v", version))
		want, err := os.ReadFile(filepath.Join(golden, "content.json"))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(golden, "store"))); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the first start may migrate it
			e, end := openFolder(t, dir)
			if is := contentOfStore(t, e); !bytes.Equal(is, want) {
				t.Errorf("version %d has\n%s\nwant\n%s", version, is, want)
			}
			if got := publish(t, e, "new", text("x")); got.err != nil {
				t.Error(got.err)
			}
			end()
		}
	}
}

// write makes a golden folder.
func write(t *testing.T, golden string) {
	t.Helper()
	store := filepath.Join(golden, "store")
	if err := os.RemoveAll(golden); err != nil {
		t.Fatal(err)
	}
	e, end := openFolder(t, store)
	fill(t, e)
	end()
	e, end = openFolder(t, store) // as a reader finds it
	content := contentOfStore(t, e)
	end()
	if err := os.Remove(filepath.Join(store, "webim.lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(golden, "content.json"), content, 0o644); err != nil {
		t.Fatal(err)
	}
}
