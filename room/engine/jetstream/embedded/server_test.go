package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
)

func TestLockOrderNamesEachMutex(t *testing.T) { wstest.LockOrder(t) }

// TestRestart checks that the store is there after a clean end, and that nothing else is left of the first server.
func TestRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	before := wstest.Descriptors(t)
	for i := range 3 {
		s, err := Start(Config{Dir: dir, Always: true})
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, s)
		if i == 0 {
			addStream(t, c, "LOG")
		}
		if seq := publish(t, c, fmt.Sprint(i)); seq != uint64(i+1) {
			t.Errorf("message %d got the sequence %d", i, seq)
		}
		wantMessage(t, c, 1, "0")
		if s.Unclean() || s.Err() != nil {
			t.Errorf("unclean: %v, error: %v", s.Unclean(), s.Err())
		}
		c.Close()
		stop(t, s)
		stop(t, s) // does nothing
		if err := s.Err(); err != ErrStopped {
			t.Errorf("after Close: %v", err)
		}
		if _, err := s.Connect(); !errors.Is(err, ErrStopped) {
			t.Errorf("connecting after Close: %v", err)
		}
		if err := commit(t, s, "LOG"); err != ErrStopped {
			t.Errorf("committing after Close: %v", err)
		}
	}
	wstest.NoDescriptorsLeft(t, before)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
}

// TestAcknowledgedIsWritten checks the promise of nats-server on which the package is built: the bytes of a message
// are in a file of the stream when the acknowledgement arrives.
func TestAcknowledgedIsWritten(t *testing.T) {
	s := start(t, Config{})
	c := connect(t, s)
	addStream(t, c, "LOG")
	for i := range 50 {
		text := fmt.Sprintf("the message with the number %d.", i)
		publish(t, c, text)
		files, err := filepath.Glob(filepath.Join(s.cfg.Dir, "jetstream/$G/streams/LOG/msgs/*.blk"))
		if err != nil || len(files) != 1 {
			t.Fatalf("files %q, %v", files, err)
		}
		if content, err := os.ReadFile(files[0]); err != nil || !bytes.Contains(content, []byte(text)) {
			t.Fatalf("message %d is not in the file, %v", i, err)
		}
	}
}

// TestKillLosesNothing kills a process while it publishes, and looks for all that it has acknowledged.
func TestKillLosesNothing(t *testing.T) {
	for _, always := range []bool{false, true} {
		dir := t.TempDir()
		for i := range 2 {
			cmd, lines := child(t, dir, always, 300)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			last := "300"
			for lines.Scan() {
				last = lines.Text()
			}
			_ = cmd.Wait()

			s, err := Start(Config{Dir: dir, Always: always})
			if err != nil {
				t.Fatal(err)
			}
			if s.Unclean() {
				t.Error("the machine has not ended, only the process")
			}
			c := connect(t, s)
			info, err := c.StreamInfo("LOG")
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for seq := info.State.LastSeq; seq > 0 && !found; seq-- { // the last ones may be unacknowledged
				m, err := c.GetMsg("LOG", seq)
				if err != nil {
					t.Fatal(err)
				}
				found = string(m.Data) == last
			}
			if !found || info.State.Msgs != info.State.LastSeq || info.State.Msgs < uint64(300*(i+1)) {
				t.Errorf("always %v, run %d: the last acknowledged message, %s, is stored: %v; state %+v", always, i, last, found, info.State)
			}
			c.Close()
			stop(t, s)
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	cmd, _ := child(t, dir, false, 1)
	_, err := Start(Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d,", cmd.Process.Pid)) {
		t.Errorf("another process uses the folder: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	s := start(t, Config{Dir: dir})
	if _, err := Start(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d,", os.Getpid())) {
		t.Errorf("this process uses the folder already: %v", err)
	}
	if s.Lock() == nil || s.Lock().Name() != filepath.Join(dir, lockName) {
		t.Errorf("the file of the lock is %v", s.Lock())
	}
}

// TestConfigIsChecked also checks that a failed start leaves no lock and no descriptor.
func TestConfigIsChecked(t *testing.T) {
	before := wstest.Descriptors(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "jetstream"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "needs a folder"},
		{Config{Dir: t.TempDir(), MaxStore: -1}, "negative"},
		{Config{Dir: t.TempDir(), Interval: -1}, "negative"},
		{Config{Dir: file}, "not a directory"},
		{Config{Dir: broken, Always: true}, broken},
		{Config{Dir: t.TempDir(), Listen: "nowhere"}, "address to listen on"},
		{Config{Dir: t.TempDir(), Listen: "127.0.0.1:http"}, "no valid port"},
	} {
		for range 2 {
			if _, err := Start(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v, want an error with %q", c.cfg, err, c.want)
			}
		}
	}
	wstest.NoDescriptorsLeft(t, before)
}

func TestListen(t *testing.T) {
	if s := start(t, Config{}); s.Addr() != nil {
		t.Errorf("without an address, the server listens on %v", s.Addr())
	}
	s := start(t, Config{Listen: "127.0.0.1:0"})
	c, err := nats.Connect(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestLargeMessage checks that a message of 1 MiB with its envelope and headers fits.
func TestLargeMessage(t *testing.T) {
	c := connect(t, start(t, Config{}))
	addStream(t, c, "LOG")
	data := strings.Repeat("x", 1<<20+64<<10)
	wantMessage(t, c, publish(t, c, data), data)
	if got := c.MaxPayload(); got != MaxPayload {
		t.Errorf("the maximum payload is %d", got)
	}
}

// TestMaxStore checks that a store tells when it has reached its maximum, and that its streams still take what the
// reserve permits.
func TestMaxStore(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Dir: dir, MaxStore: 1 << 20, reserve: 1 << 20, retry: time.Millisecond})
	c := connect(t, s)
	addStream(t, c, "LOG")
	data := bytes.Repeat([]byte("x"), 64<<10)
	publish := func() error {
		_, err := c.JetStreamContext.Publish("log.a", data)
		return err
	}
	for i := range 15 {
		if err := publish(); err != nil || s.Full() {
			t.Fatalf("message %d: %v, full: %v", i, err, s.Full())
		}
	}
	for range 2 {
		if err := publish(); err != nil {
			t.Fatal(err)
		}
	}
	wstest.Eventually(t, "the store is full", s.Full)
	var err error
	for i := 0; err == nil; i++ {
		if i > 20 {
			t.Fatal("the streams take more than the maximum and the reserve")
		}
		err = publish()
	}
	var api *nats.APIError
	if !errors.As(err, &api) || api.ErrorCode != 10023 { // insufficient resources
		t.Errorf("without a reserve, the store answers %v", err)
	}
	wantMessage(t, c, 1, string(data))
	if err := s.Err(); err != nil {
		t.Errorf("a full store is taken for a failed one: %v", err)
	}
	if err := c.JetStreamContext.PurgeStream("LOG"); err != nil {
		t.Fatal(err)
	}
	wstest.Eventually(t, "there is space again", func() bool { return !s.Full() })
}

// TestChangedMaxStore checks that a store follows a changed maximum.
func TestChangedMaxStore(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Config{Dir: dir})
	c := connect(t, s)
	addStream(t, c, "LOG")
	publish(t, c, strings.Repeat("x", 1<<20))
	for most, full := range map[int64]bool{2 << 20: false, 1 << 18: true} {
		stop(t, s)
		var log bytes.Buffer
		s = start(t, Config{Dir: dir, MaxStore: most, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if s.Full() != full || strings.Contains(log.String(), "the store has reached its maximum") != full {
			t.Errorf("with a maximum of %d, full is %v, and the log says %q", most, s.Full(), log.String())
		}
	}
}

// TestClientsConnectAgain replaces the nats-server under a client.
func TestClientsConnectAgain(t *testing.T) {
	s := start(t, Config{})
	c := connect(t, s)
	addStream(t, c, "LOG")
	lost, again := make(chan error, 1), reconnected(c)
	c.SetDisconnectErrHandler(func(_ *nats.Conn, err error) { lost <- err })
	sub, err := c.Conn.SubscribeSync("live")
	if err != nil {
		t.Fatal(err)
	}
	publish(t, c, "before")

	s.mu.Lock()
	n := s.nats
	s.nats = nil
	s.mu.Unlock()
	stopNATS(n)
	receive(t, lost)
	if err := c.Conn.Publish("live", nil); !errors.Is(err, nats.ErrReconnectBufExceeded) {
		t.Errorf("publishing without a connection: %v", err)
	}
	if n, err = s.startNATS(); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.nats = n
	s.mu.Unlock()
	receive(t, again)
	if seq := publish(t, c, "after"); seq != 2 {
		t.Errorf("the next message has the sequence %d", seq)
	}
	if err := c.Conn.Publish("live", []byte("again")); err != nil {
		t.Fatal(err)
	}
	if m, err := sub.NextMsg(wstest.Patience); err != nil || string(m.Data) != "again" {
		t.Errorf("the subscription gets %v, %v", m, err)
	}
}
