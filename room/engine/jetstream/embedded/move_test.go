package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

// copyLock returns a copy of the descriptor of a lock, as another process would inherit it.
func copyLock(t *testing.T, s *Server) *os.File {
	t.Helper()
	fd, err := unix.Dup(int(s.Lock().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), lockName)
}

// suspend suspends a server, and returns a copy of its lock.
func suspend(t *testing.T, s *Server) *os.File {
	t.Helper()
	if err := s.Suspend(); err != nil {
		t.Fatal(err)
	}
	return copyLock(t, s)
}

// TestMove moves a store from one server to another, again and again: nobody else can take the folder in between, and no message is
// missing.
func TestMove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	before := wstest.Descriptors(t)
	log := new(wstest.Log)
	s, err := Start(Config{Dir: dir, Always: true, Log: logTo(log)})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, s)
	addStream(t, c, "LOG")
	c.Close()
	for i := 1; i <= 3; i++ {
		c := connect(t, s)
		if seq := publish(t, c, fmt.Sprint(i)); seq != uint64(i) {
			t.Errorf("message %d has the sequence %d", i, seq)
		}
		c.Close()
		lock := suspend(t, s)
		if _, err := Start(Config{Dir: dir}); !errors.As(err, new(*InUseError)) {
			t.Fatalf("a third process starts: %v", err)
		}
		next, err := Start(Config{Dir: dir, Always: true, Log: logTo(log), Lock: lock})
		if err != nil {
			t.Fatal(err)
		}
		stop(t, s) // the old one ends, and the folder stays as it is
		wantInUse(t, dir)
		if _, err := Start(Config{Dir: dir}); !errors.As(err, new(*InUseError)) {
			t.Fatalf("a third process starts: %v", err)
		}
		if next.Unclean() {
			t.Error("the new server takes messages for lost")
		}
		if _, err := Attach(dir); err != nil {
			t.Errorf("commands cannot reach the store: %v", err)
		}
		s = next
	}
	c = connect(t, s)
	wantMessage(t, c, 3, "3")
	c.Close()
	stop(t, s)
	wstest.NoDescriptorsLeft(t, before)
	if strings.Contains(log.String(), "index") {
		t.Errorf("a store that has moved counts as one whose process was killed:\n%s", log)
	}
	if s, err = Start(Config{Dir: dir}); err != nil || s.Unclean() {
		t.Fatalf("after the end of the last server: %v", err)
	}
	stop(t, s)
}

// TestMoveBack checks that a server goes on when the other one has ended: one that was refused, that has ended in order, or that was
// killed.
func TestMoveBack(t *testing.T) {
	s := start(t, Config{})
	c := connect(t, s)
	addStream(t, c, "LOG")
	publish(t, c, "1")
	again := reconnected(c)
	for i, end := range []func(){
		func() {},
		func() { stop(t, must(t, Config{Dir: s.cfg.Dir, Lock: copyLock(t, s)})) },
		func() {
			other := must(t, Config{Dir: s.cfg.Dir, Lock: copyLock(t, s)})
			text, err := os.ReadFile(filepath.Join(s.cfg.Dir, recordName)) // as a kill would leave it
			if err != nil {
				t.Fatal(err)
			}
			stop(t, other)
			if err := os.WriteFile(filepath.Join(s.cfg.Dir, recordName), text, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		if err := s.Suspend(); err != nil {
			t.Fatal(err)
		}
		end()
		if err := s.Resume(); err != nil {
			t.Fatal(err)
		}
		receive(t, again)
		if seq := publish(t, c, "next"); seq != uint64(i+2) {
			t.Errorf("after Resume %d, a message has the sequence %d", i, seq)
		}
		wantInUse(t, s.cfg.Dir)
	}
	if err := s.Resume(); err != nil {
		t.Errorf("Resume without Suspend: %v", err)
	}
	stop(t, s)
	if err := s.Suspend(); err != ErrStopped {
		t.Errorf("Suspend after Close: %v", err)
	}
}

// wantInUse checks that the record of a folder says that it is in use.
func wantInUse(t *testing.T, dir string) {
	t.Helper()
	if text, err := os.ReadFile(filepath.Join(dir, recordName)); err != nil || !strings.Contains(string(text), `"clean":false`) {
		t.Errorf("the record is %s, %v", text, err)
	}
}

func must(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMoveRefused checks that a store does not move when that could harm it.
func TestMoveRefused(t *testing.T) {
	s := start(t, Config{})
	other := t.TempDir()
	if _, err := Start(Config{Dir: other, Lock: copyLock(t, s)}); err == nil || !strings.Contains(err.Error(), "another folder") {
		t.Errorf("with the lock of another folder: %v", err)
	}
	start(t, Config{Dir: other}) // nobody has locked it
	if _, err := Start(Config{Dir: s.cfg.Dir}); !errors.As(err, new(*InUseError)) {
		t.Errorf("the folder is not locked any more: %v", err)
	}
	failed := start(t, Config{room: 1 << 62})
	failed.log.Errorf("JetStream out of %s", "space")
	wstest.Eventually(t, "the store has failed", func() bool { return failed.Err() != nil })
	if err := failed.Suspend(); err == nil || failed.Err() == nil {
		t.Errorf("a store that has failed is suspended: %v", err)
	}
}
