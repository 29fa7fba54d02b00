package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
)

// smallDisk mounts a file system of n bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("webim-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mounting a small file system: %v: this test must run as root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}

// TestFullDisk fills the disk, and checks that the store works again when there is space, with all that was
// acknowledged, in the same process and on the same connection.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "48m")
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 30<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var out wstest.Log
	changed := make(chan error, 8)
	s := start(t, Config{Dir: filepath.Join(dir, "store"), Log: logTo(&out), Changed: func(err error) { changed <- err }, retry: 5 * time.Millisecond})
	c := connect(t, s)
	again := reconnected(c)
	addStream(t, c, "LOG")

	data := strings.Repeat("x", 512<<10)
	stored := uint64(0)
	for failed := error(nil); failed == nil; {
		future, err := c.PublishAsync("log.a", []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		select {
		case ack := <-future.Ok():
			stored = ack.Sequence
		case err := <-future.Err():
			t.Fatalf("message %d: %v", stored+1, err)
		case failed = <-changed: // nats-server does not answer the message
		case <-time.After(wstest.Patience):
			t.Fatalf("message %d: no answer, and no error of the server", stored+1)
		}
		if failed != nil && (!strings.Contains(failed.Error(), "no space left") || s.Err() != failed) {
			t.Errorf("the disk is full: %v, and Err returns %v", failed, s.Err())
		}
	}
	if stored < 5 {
		t.Fatalf("only %d messages were stored", stored)
	}
	wantMessage(t, c, 1, data) // the store can still be read
	wantMessage(t, c, stored, data)

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, changed); err != nil || s.Err() != nil {
		t.Fatalf("there is space again: %v, %v", err, s.Err())
	}
	receive(t, again)
	for seq := uint64(1); seq <= stored; seq++ {
		wantMessage(t, c, seq, data)
	}
	if seq := publish(t, c, "after"); seq <= stored {
		t.Errorf("the next message has the sequence %d, after %d", seq, stored)
	}
	if text := out.String(); !strings.Contains(text, "the embedded store has failed") || !strings.Contains(text, "the embedded store has started again") {
		t.Errorf("the log is %s", text)
	}
}

// TestStoppedJetStream stops JetStream as nats-server does after some errors.
func TestStoppedJetStream(t *testing.T) {
	changed := make(chan error, 8)
	s := start(t, Config{Changed: func(err error) { changed <- err }, retry: 5 * time.Millisecond})
	c := connect(t, s)
	again := reconnected(c)
	addStream(t, c, "LOG")
	publish(t, c, "before")
	if err := s.nats.ShutdownJetStream(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, changed); err == nil {
		t.Fatal("no error came")
	}
	if err := receive(t, changed); err != nil {
		t.Fatal(err)
	}
	receive(t, again)
	wantMessage(t, c, 1, "before")
}

// TestCloseWhileFailed closes a server that waits for space. Then the folder is not clean, because nats-server could
// not write everything.
func TestCloseWhileFailed(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), room: 1 << 60, retry: 5 * time.Millisecond, bootID: func() (string, error) { return "1", nil }}
	changed := make(chan error, 8)
	cfg.Changed = func(err error) { changed <- err }
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.log.Errorf("Filestore [LOG] Critical write error: %v", errTest)
	if err := receive(t, changed); err == nil || !strings.Contains(err.Error(), errTest.Error()) {
		t.Errorf("the error is %v", err)
	}
	stop(t, s)
	cfg.bootID = func() (string, error) { return "2", nil }
	if s = start(t, cfg); !s.Unclean() {
		t.Error("the folder is clean")
	}
}

func TestHasRoom(t *testing.T) {
	dir := smallDisk(t, "4m")
	if err := hasRoom(dir, 3<<20); err != nil {
		t.Error(err)
	}
	if err := hasRoom(dir, 5<<20); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("5 MB of 4: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

var _ nats.InProcessConnProvider = (*Server)(nil)
