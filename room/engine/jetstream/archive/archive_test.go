package archive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/archive"
)

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
