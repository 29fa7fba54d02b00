package archive_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/archive"
	"webim/room/engine/jetstream/embedded"
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
