package keys

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// users have names of each kind.
var users = []string{"ann", "", "bob smith", "user.42.>", "*", "聊天", strings.Repeat("x", 255)}

func open(t *testing.T, nc *nats.Conn, cfg Config) *Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wstest.Patience)
	defer cancel()
	s, err := Open(ctx, nc, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// answer is what a method of the Store calls back with.
type answer struct {
	record  []byte
	created bool
	err     error
}

func receive(t *testing.T, c <-chan answer) answer {
	t.Helper()
	select {
	case a := <-c:
		return a
	case <-time.After(wstest.Patience):
		t.Fatal("no answer")
		panic("unreachable")
	}
}

func get(t *testing.T, s *Store, user string) answer {
	t.Helper()
	c := make(chan answer, 1)
	s.Get(user, 0, true, func(record []byte, _ bool, err error) { c <- answer{record: record, err: err} })
	return receive(t, c)
}

func create(t *testing.T, s *Store, user string, record []byte) answer {
	t.Helper()
	c := make(chan answer, 1)
	s.Create(user, record, "", func(created bool, err error) { c <- answer{created: created, err: err} })
	return receive(t, c)
}

func del(t *testing.T, s *Store, user string) error {
	t.Helper()
	c := make(chan answer, 1)
	s.Delete(user, func(err error) { c <- answer{err: err} })
	return receive(t, c).err
}

// record returns a record for a user that a search finds.
func record(user string, n byte) []byte {
	return append([]byte{0, 0, 0, 0, 0, 0, 1, n}, fmt.Sprintf("%-31.31s%c", "secret of "+user, 'a'+n)...)
}

// filesWith returns the files below a folder that hold these bytes.
func filesWith(t *testing.T, dir string, what []byte) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		if bytes.Contains(content, what) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func never() bool { return false }
