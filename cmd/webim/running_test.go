package main_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"webim/cmd/webim/internal/testargs"
)

// A running is a child that serves.
type running struct {
	*child
	addrs []string // that it listens on, in order
}

// launch runs `webim serve` with JSON logs, by default without --drain-delay, and returns when it listens.
// The words of prefix, if any, stand before the program.
func launch(t *testing.T, program string, prefix []string, args ...string) *running {
	t.Helper()
	words := append(append(prefix, program, "serve", "--log-format", "json", "--drain-delay", "0s"), testargs.WithEngine(args)...)
	cmd := exec.Command(words[0], words[1:]...)
	c := &child{t: t, exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &c.output, &c.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.process = cmd.Process
	t.Cleanup(c.finish)
	go func() {
		defer close(c.exited)
		_ = cmd.Wait()
		c.code = cmd.ProcessState.ExitCode()
	}()
	r := &running{child: c}
	r.awaitLog("limit of open files")
	for _, line := range r.log("listening") {
		r.addrs = append(r.addrs, line["addr"].(string))
	}
	c.host = strings.Join(r.addrs, " ")
	return r
}

// log returns the log lines with this message.
func (r *running) log(msg string) []map[string]any { return r.output.Records(msg) }

// awaitLog waits for a line with this message.
func (r *running) awaitLog(msg string) map[string]any {
	r.t.Helper()
	deadline, tick := time.After(startTimeout), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		if lines := r.log(msg); len(lines) > 0 {
			return lines[0]
		}
		select {
		case <-tick.C:
		case <-r.exited:
			if len(r.log(msg)) == 0 {
				r.t.Fatalf("webim ended without saying %q:\n%s", msg, r.output.String())
			}
		case <-deadline:
			r.t.Fatalf("webim did not say %q within %v, but:\n%s", msg, startTimeout, r.output.String())
		}
	}
}

// awaitExit waits for the child's end and returns its exit code.
func (r *running) awaitExit() (code int) {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(startTimeout):
		r.t.Fatalf("webim did not end within %v:\n%s", startTimeout, r.output.String())
	}
	return r.code
}

// A socket is one WebSocket of a test.
type socket struct {
	net.Conn
	t *testing.T
}

// tryDial opens a WebSocket. A refusal is a ws.StatusError.
func tryDial(t *testing.T, network, addr string) (*socket, error) {
	t.Helper()
	return tryDialPath(t, network, addr, "/"+t.Name())
}

func tryDialPath(t *testing.T, network, addr, path string) (*socket, error) {
	t.Helper()
	d := ws.Dialer{Timeout: startTimeout, NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	conn, _, _, err := d.Dial(t.Context(), "ws://127.0.0.1"+path)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(startTimeout))
	t.Cleanup(func() { _ = conn.Close() })
	return &socket{conn, t}, nil
}

func dial(t *testing.T, network, addr string) *socket {
	t.Helper()
	s, err := tryDial(t, network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// echo sends a text and reads until it comes back.
func (s *socket) echo(text string) {
	s.t.Helper()
	_ = s.SetDeadline(time.Now().Add(startTimeout)) // of this: other steps of the test may have taken long
	err := wsutil.WriteClientText(s, []byte(text))
	for err == nil {
		var got []byte
		if got, err = wsutil.ReadServerText(s); string(got) == text {
			return
		}
	}
	s.t.Fatalf("%q did not come back: %v", text, err)
}

// awaitClose reads to the Close frame, answers it, closes the socket, and returns the frame's code.
func (s *socket) awaitClose() ws.StatusCode {
	s.t.Helper()
	_ = s.SetDeadline(time.Now().Add(startTimeout))
	for {
		_, _, err := wsutil.ReadServerData(s) // it answers pings and the Close frame
		var closed wsutil.ClosedError
		if errors.As(err, &closed) {
			_ = s.Close()
			return closed.Code
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func get(t *testing.T, network, addr, path string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport, Timeout: startTimeout}).Get("http://127.0.0.1" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// retry calls f until it succeeds.
func retry(t *testing.T, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startTimeout); !f(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v", startTimeout)
		}
	}
}
