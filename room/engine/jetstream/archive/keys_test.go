package archive_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"webim/room/engine/jetstream/archive"
	"webim/room/engine/jetstream/internal/keys"
)

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
