package embedded

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
)

// childFolder is the variable of the environment that makes the test program a child: a process that
// publishes to the store in that folder until it is killed. childAlways makes it commit.
const (
	childFolder = "WEBIM_TEST_EMBEDDED_FOLDER"
	childAlways = "WEBIM_TEST_EMBEDDED_ALWAYS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		fmt.Fprintln(os.Stderr, publishForEver(Config{Dir: dir, Always: os.Getenv(childAlways) != ""}))
		os.Exit(1)
	}
	wstest.Main(m)
}

// publishForEver starts a server, and writes a line for each message that is stored.
func publishForEver(cfg Config) error {
	s, err := Start(cfg)
	if err != nil {
		return err
	}
	c, err := s.Connect()
	if err != nil {
		return err
	}
	js, err := c.JetStream()
	if err != nil {
		return err
	}
	if _, err := js.AddStream(stream("LOG")); err != nil {
		return err
	}
	for i := 1; ; i++ {
		if _, err := js.Publish("log.a", fmt.Append(nil, i), nats.RetryAttempts(0)); err != nil {
			return err
		}
		done := make(chan error, 1)
		s.Commit("LOG", func(err error) { done <- err })
		if err := <-done; err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// child starts the test program as another process, and waits until it has acknowledged n messages.
func child(t *testing.T, dir string, always bool, n int) (cmd *exec.Cmd, lines *bufio.Scanner) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	if always {
		cmd.Env = append(cmd.Env, childAlways+"=1")
	}
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	lines = bufio.NewScanner(out)
	for range n {
		if !lines.Scan() {
			_ = cmd.Wait()
			t.Fatalf("the child has ended: %s", problem.String())
		}
	}
	return cmd, lines
}

// start starts a server that the test's end closes.
func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
}

// client is a connection with JetStream's API.
type client struct {
	*nats.Conn
	nats.JetStreamContext
}

func connect(t *testing.T, s *Server) client {
	t.Helper()
	c, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	js, err := c.JetStream(nats.MaxWait(wstest.Patience))
	if err != nil {
		t.Fatal(err)
	}
	return client{c, js}
}

// reconnected returns a channel that gets a value when the client has connected again. Before that, the client may take
// a connection for alive on which nobody answers.
func reconnected(c client) <-chan bool {
	again := make(chan bool, 8)
	c.SetReconnectHandler(func(*nats.Conn) { again <- true })
	return again
}

// stream is the configuration of a stream like those of webim.
func stream(name string) *nats.StreamConfig {
	return &nats.StreamConfig{Name: name, Subjects: []string{"log.>"}, AllowDirect: true, Discard: nats.DiscardNew}
}

func addStream(t *testing.T, c client, name string) {
	t.Helper()
	if _, err := c.AddStream(stream(name)); err != nil {
		t.Fatal(err)
	}
}

// publish publishes a message and returns its sequence.
func publish(t *testing.T, c client, data string) uint64 {
	t.Helper()
	ack, err := c.JetStreamContext.Publish("log.a", []byte(data), nats.RetryAttempts(0))
	if err != nil {
		t.Fatal(err)
	}
	return ack.Sequence
}

// wantMessage checks the content of a stored message.
func wantMessage(t *testing.T, c client, seq uint64, data string) {
	t.Helper()
	m, err := c.GetMsg("LOG", seq)
	if err != nil {
		t.Fatalf("message %d: %v", seq, err)
	}
	if string(m.Data) != data {
		t.Errorf("message %d is %q, want %q", seq, wstest.Brief(string(m.Data)), wstest.Brief(data))
	}
}

// commit waits for a commit.
func commit(t *testing.T, s *Server, stream string) error {
	t.Helper()
	done := make(chan error, 1)
	s.Commit(stream, func(err error) { done <- err })
	return receive(t, done)
}

func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(wstest.Patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func logTo(l *wstest.Log) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

var errTest = errors.New("a fault of the test")
