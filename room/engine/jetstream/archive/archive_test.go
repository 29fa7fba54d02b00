package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/archive"
	"webim/room/engine/jetstream/embedded"
	"webim/room/engine/jetstream/internal/erasures"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// store is a store in a folder, with an engine on it.
type store struct {
	t      *testing.T
	dir    string
	server *embedded.Server
	*jetstream.Engine
}

func openStore(t *testing.T, dir string) *store {
	t.Helper()
	st := &store{t: t, dir: dir, server: natstest.Start(t, dir)}
	t.Cleanup(st.close)
	st.Engine = st.engine(false)
	return st
}

// engine opens an engine; alone is as for a command.
func (s *store) engine(alone bool) *jetstream.Engine {
	s.t.Helper()
	e, err := jetstream.Open(s.t.Context(), s.config(alone))
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *store) config(alone bool) jetstream.Config {
	return jetstream.Config{Connect: s.server.Connect, Alone: alone, Log: slog.New(slog.DiscardHandler),
		Keep: func(string) engine.Retention { return engine.Retention{Messages: 1 << 20, Bytes: 1 << 30} }}
}

func (s *store) close() {
	if s.Engine != nil {
		s.Engine.Close()
	}
	if err := s.server.Close(); err != nil {
		s.t.Error(err)
	}
}

// with calls f with what package archive needs.
func (s *store) with(keys string, f func(archive.Config) error) error {
	s.t.Helper()
	nc, err := s.server.Connect()
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	return f(archive.Config{Conn: nc, Keys: keys, Version: "test"})
}

func (s *store) backup(dir, keys string) error {
	return s.with(keys, func(c archive.Config) error { return archive.Backup(s.t.Context(), c, dir) })
}

// restore restores as the command does. The engine is another one afterwards.
func (s *store) restore(dir, keys string) (r archive.Report) {
	s.t.Helper()
	removals, err := s.Removals()
	if err != nil {
		s.t.Fatal(err)
	}
	s.Engine.Close()
	err = s.with(keys, func(c archive.Config) (err error) {
		if r, err = archive.Restore(s.t.Context(), c, dir, removals); err != nil {
			return err
		}
		if _, err := jetstream.Open(s.t.Context(), s.config(false)); err == nil || !strings.Contains(err.Error(), "has not ended") {
			s.t.Errorf("a node on a store that is being restored: %v", err)
		}
		e := s.engine(true)
		defer e.Close()
		if err := e.Apply(r.Removals); err != nil {
			return err
		}
		return archive.End(s.t.Context(), c)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Engine = s.engine(false)
	return r
}

// wait makes a call and waits for its end.
func (s *store) wait(call func(done func(error))) {
	s.t.Helper()
	c := make(chan error, 1)
	call(func(err error) { c <- err })
	select {
	case err := <-c:
		if err != nil {
			s.t.Fatal(err)
		}
	case <-time.After(wstest.Patience):
		s.t.Fatal("no answer")
	}
}

func (s *store) say(room, user, text string) (at engine.Position) {
	s.t.Helper()
	m := engine.Message{Op: ws.OpText, Data: []byte(text)}
	if user != "" {
		m.From = &engine.Author{User: user, Client: "c"}
	}
	s.wait(func(done func(error)) {
		s.Publish(room, m, func(p engine.Position, err error) { at = p; done(err) })
	})
	return at
}

// texts returns the history of a room, with - for what is redacted.
func (s *store) texts(room string) string {
	s.t.Helper()
	var all []string
	s.wait(func(done func(error)) {
		s.History(room, engine.Span{Limit: -1}, func(h engine.History, err error) {
			for _, p := range h.Publications {
				if p.Redacted() {
					all = append(all, "-")
				} else {
					all = append(all, string(p.Data))
				}
			}
			done(err)
		})
	})
	return strings.Join(all, " ")
}

func (s *store) want(room, want string) {
	s.t.Helper()
	if got := s.texts(room); got != want {
		s.t.Errorf("%s has %q, want %q", room, got, want)
	}
}

// filesWith returns the files below a folder that contain a text.
func filesWith(t *testing.T, dir string, text []byte) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(name)
		if bytes.Contains(b, text) {
			names = append(names, name)
		}
		if errors.Is(err, os.ErrNotExist) { // the server has replaced it
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestRestore restores a backup over the store that it was made from, over an empty one, and with the keys. What
// was erased, redacted or removed since does not come back where its removal is known.
func TestRestore(t *testing.T) {
	dir, backup, keys := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "keys")
	s := openStore(t, dir)
	s.say("a", "ann", "1")
	epoch := s.say("a", "bob", "2").Epoch
	deleted := s.say("a", "bob", "3").Offset
	s.say("b", "bob", "4")
	s.say("b", "", "5")
	s.wait(func(done func(error)) {
		s.Put(engine.Entry{Key: engine.Key{Table: engine.TableMember, Of: "a", Name: "cy"}, Value: []byte("v")}, func(_ uint64, err error) { done(err) })
	})
	if err := s.backup(backup, keys); err != nil {
		t.Fatal(err)
	}
	if err := s.backup(backup, ""); err == nil {
		t.Error("a second backup went into the same folder")
	}
	s.wait(func(done func(error)) { s.Erase("ann", done) })
	s.wait(func(done func(error)) { s.Redact("a", []uint64{deleted}, done) })
	s.wait(func(done func(error)) { s.RemoveHistory("b", done) })
	s.say("a", "bob", "late")
	s.wait(func(done func(error)) {
		s.Delete(engine.Key{Table: engine.TableMember, Of: "a", Name: "cy"}, engine.AnyVersion, done)
	})

	r := s.restore(backup, keys)
	if len(r.Erased) != 1 || r.Erased[0] != "ann" || r.Keys != 0 {
		t.Errorf("%+v", r)
	}
	for range 2 {
		s.want("a", "- 2 -")
		s.want("b", "")
		s.wait(func(done func(error)) {
			s.Get(engine.Key{Table: engine.TableMember, Of: "a", Name: "cy"}, func(e engine.Entry, err error) {
				if string(e.Value) != "v" {
					t.Errorf("the entry of the State is %+v", e)
				}
				done(err)
			})
		})
		if now := s.say("a", "bob", "new"); now.Epoch == epoch || now.Offset == 0 {
			t.Errorf("after the restore the position is %+v", now)
		}
		s.restore(backup, "") // once more
	}

	empty := openStore(t, filepath.Join(t.TempDir(), "empty"))
	if r := empty.restore(backup, ""); r.Keys != 0 || len(r.Erased) != 0 {
		t.Errorf("without keys: %+v", r)
	}
	empty.want("a", "- - -")
	empty.want("b", "- 5")

	other := openStore(t, filepath.Join(t.TempDir(), "other"))
	if r := other.restore(backup, keys); r.Keys != 2 {
		t.Errorf("with the keys: %+v", r)
	}
	other.want("a", "1 2 3")
	other.want("b", "4 5")
}

// dying is a context that ends when its user has looked at it so many times: the user dies at this step.
type dying struct {
	context.Context
	mu   sync.Mutex
	left int
	over chan struct{}
}

func diesAfter(ctx context.Context, steps int) *dying {
	return &dying{Context: ctx, left: steps, over: make(chan struct{})}
}

func (d *dying) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left == 0 {
		close(d.over)
	}
	return d.over
}

func (d *dying) Err() error {
	select {
	case <-d.over:
		return context.Canceled
	default:
		return d.Context.Err()
	}
}

// storeWithRemovals returns a store in which a message and the history of a room were removed after the backup was made. Its
// engine is closed.
func storeWithRemovals(t *testing.T) (s *store, backup string) {
	t.Helper()
	s = openStore(t, filepath.Join(t.TempDir(), "store"))
	s.say("a", "ann", "1")
	deleted := s.say("a", "ann", "2").Offset
	s.say("b", "ann", "3")
	s.say("c", "ann", "4")
	backup = filepath.Join(t.TempDir(), "backup")
	if err := s.backup(backup, ""); err != nil {
		t.Fatal(err)
	}
	s.wait(func(done func(error)) { s.Redact("a", []uint64{deleted}, done) })
	s.wait(func(done func(error)) { s.RemoveHistory("b", done) })
	s.Engine.Close()
	return s, backup
}

// TestInterruptedRestore lets a restore of one store die again and again, some steps later each time, until it ends. The
// removals since the backup are noted in the store before anything is replaced, so none is lost.
func TestInterruptedRestore(t *testing.T) {
	s, backup := storeWithRemovals(t)
	began, step, by := false, 0, 3
	if enginetest.Long() {
		by = 1
	}
	for ended := false; !ended; step += by {
		e := s.engine(true) // as the command does; the store may have no State by now
		removals, err := e.Removals()
		e.Close()
		if err != nil {
			t.Fatal(err)
		}
		err = s.with("", func(c archive.Config) error {
			r, err := archive.Restore(diesAfter(t.Context(), step+1), c, backup, removals)
			if err != nil {
				return err
			}
			e := s.engine(true)
			defer e.Close()
			if err := e.Apply(r.Removals[:1]); err != nil || step%2 == 0 { // it dies in the middle, every other time
				return errors.Join(err, context.Canceled)
			}
			if err := e.Apply(r.Removals); err != nil {
				return err
			}
			return archive.End(t.Context(), c)
		})
		if ended = err == nil; !ended && !errors.Is(err, context.Canceled) {
			t.Fatalf("step %d: %v", step, err)
		}
		node, err := jetstream.Open(t.Context(), s.config(false))
		switch refused := err != nil && strings.Contains(err.Error(), "has not ended"); {
		case err != nil && (!refused || ended):
			t.Fatalf("step %d, a node: %v", step, err)
		case refused:
			began = true
		case began && !ended:
			t.Fatalf("step %d: a node can use a store that is being restored", step)
		default:
			s.Engine = node
			s.want("a", "1 -")
			s.want("b", "")
			s.want("c", "4")
			node.Close()
		}
	}
	if t.Logf("%d steps", step); step < 20 {
		t.Error("so few steps prove nothing")
	}
	nc, err := s.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), "REMOVALS"); !errors.Is(err, natsjs.ErrStreamNotFound) {
		t.Errorf("the note of the removals after the restore: %v", err)
	}
}

// TestRestoreBegunByAnOlderWebim checks that the removals in the State count if a restore has begun that has noted none, and has
// replaced nothing yet.
func TestRestoreBegunByAnOlderWebim(t *testing.T) {
	s, backup := storeWithRemovals(t)
	nc, err := s.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := natsjs.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	erased, err := js.Stream(t.Context(), erasures.Stream)
	if err == nil {
		o := &streams.Opener{JS: js, Log: slog.New(slog.DiscardHandler), Replicas: 1, Fixed: true}
		err = o.SetNote(t.Context(), erased, "webim-restoring", "yes")
	}
	if err != nil {
		t.Fatal(err)
	}
	if node, err := jetstream.Open(t.Context(), s.config(false)); err == nil {
		node.Close()
		t.Error("a node can use a store that is being restored")
	}
	s.Engine = s.engine(true)
	s.restore(backup, "")
	s.want("a", "1 -")
	s.want("b", "")
}

// TestEverythingBeforeABackup makes a backup while many write. It has everything that was acknowledged before.
func TestEverythingBeforeABackup(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "store"))
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	var mu sync.Mutex
	last := [4]int{}
	for i := range last {
		writers.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				s.say(fmt.Sprint("r", i), "ann", fmt.Sprint(n))
				mu.Lock()
				last[i] = n
				mu.Unlock()
			}
		})
	}
	wstest.Eventually(t, "some messages", func() bool { mu.Lock(); defer mu.Unlock(); return last[0] > 100 && last[3] > 100 })
	dir, keys := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "keys")
	mu.Lock()
	before := last
	mu.Unlock()
	err := s.backup(dir, keys)
	cancel()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	other := openStore(t, filepath.Join(t.TempDir(), "other"))
	other.restore(dir, keys)
	for i, n := range before {
		all := strings.Fields(other.texts(fmt.Sprint("r", i)))
		for j, text := range all {
			if text != fmt.Sprint(j+1) {
				t.Fatalf("room %d, message %d: %s", i, j, text)
			}
		}
		if len(all) < n {
			t.Errorf("room %d has %d messages, and %d were acknowledged before", i, len(all), n)
		}
	}
}

// TestErasedKeys checks that neither a backup nor the store has the key of an erased user, and that a keys file
// from before does not bring it back.
func TestErasedKeys(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "store"))
	s.say("a", "ann", "a text of ann")
	backup, keys := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "keys")
	if err := s.backup(backup, keys); err != nil {
		t.Fatal(err)
	}
	key := keyIn(t, keys, "ann")
	if names := filesWith(t, s.dir, key); len(names) == 0 {
		t.Fatal("the key is not found in the store, so the test proves nothing")
	}
	if names := filesWith(t, backup, key); len(names) != 0 {
		t.Errorf("the backup has the key: %v", names)
	}
	s.wait(func(done func(error)) { s.Erase("ann", done) })
	s.restore(backup, keys)
	s.want("a", "-")
	s.close()
	for _, text := range [][]byte{key, []byte("a text of ann")} {
		if names := append(filesWith(t, s.dir, text), filesWith(t, backup, text)...); len(names) != 0 {
			t.Errorf("%q is in %v", text, names)
		}
	}
	openStore(t, s.dir).want("a", "-")
}

// TestRemovedKeys restores a history after the key of its author was removed as unused, and the author has got another one: all
// is readable again, with both keys, and a later backup and its keys file have both. Then the author is erased: neither key is
// left.
func TestRemovedKeys(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "store"))
	folder := t.TempDir()
	name := func(n string) string { return filepath.Join(folder, n) }
	backup := func(n string) {
		t.Helper()
		if err := s.backup(name("backup"+n), name("keys"+n)); err != nil {
			t.Fatal(err)
		}
	}
	remove := func() {
		t.Helper()
		err := s.with("", func(cfg archive.Config) error {
			store, err := keys.Open(t.Context(), cfg.Conn, keys.Config{Sole: func() error { return nil }, Sync: cfg.SyncStream})
			if err != nil {
				return err
			}
			defer store.Close()
			done := make(chan error, 1)
			store.Delete("ann", func(err error) { done <- err })
			return <-done
		})
		if err != nil {
			t.Fatal(err)
		}
		s.close()
		s = openStore(t, s.dir)
	}
	s.say("a", "ann", "first")
	backup("1")
	remove()
	s.say("a", "ann", "second")
	backup("2")
	s.restore(name("backup1"), name("keys1"))
	s.want("a", "first")
	s.say("a", "ann", "third")
	s.restore(name("backup2"), "")
	s.want("a", "first second") // both keys are there
	backup("3")
	remove()
	s.restore(name("backup1"), name("keys3"))
	s.want("a", "first")
	all := [][]byte{keyIn(t, name("keys1"), "ann"), keyIn(t, name("keys2"), "ann")}
	s.wait(func(done func(error)) { s.Erase("ann", done) })
	s.want("a", "-")
	s.close()
	for _, key := range all {
		if names := filesWith(t, s.dir, key); len(names) != 0 {
			t.Errorf("a key is in %v", names)
		}
	}
}

// keyIn returns the key of a user in a keys file.
func keyIn(t *testing.T, file, user string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var one struct {
			User string
			Key  []byte
		}
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		if one.User == user && len(one.Key) == 40 {
			return one.Key[8:]
		}
	}
	t.Fatalf("%s has no key of %s", file, user)
	return nil
}

// TestDamagedBackup checks that a damaged backup replaces nothing.
func TestDamagedBackup(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "store"))
	s.say("a", "ann", "1")
	dir := filepath.Join(t.TempDir(), "backup")
	if err := s.backup(dir, ""); err != nil {
		t.Fatal(err)
	}
	name, erased := filepath.Join(dir, "ROOMS_ever.snapshot"), filepath.Join(dir, "erased.jsonl")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, change := range []func() error{
		func() error { return os.Remove(erased) },
		func() error { return os.WriteFile(erased, []byte("{"), 0o600) },
		func() error {
			_ = os.WriteFile(erased, nil, 0o600)
			return os.WriteFile(name, append(text[:len(text)-1:len(text)-1], text[len(text)-1]^1), 0o600)
		},
		func() error { return os.Remove(name) },
		func() error { return os.Remove(filepath.Join(dir, "webim-backup.json")) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		err := s.with("", func(c archive.Config) error {
			is, err := s.Removals()
			if err == nil {
				_, err = archive.Restore(t.Context(), c, dir, is)
			}
			return err
		})
		if !errors.Is(err, archive.ErrNoBackup) {
			t.Errorf("damaged backup %d: %v", i, err)
		}
	}
	s.want("a", "1")
	s.Engine.Close()
	s.Engine = s.engine(false)
	s.want("a", "1")
}
