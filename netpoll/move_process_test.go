package netpoll

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"webim/netpoll/fdpass"
	"webim/netpoll/wstest"
)

// moveEnv makes TestMoveChild the process that takes over.
const moveEnv = "WEBIM_MOVE_CHILD"

// TestMoveChild is not a test but the process that takes over the connections of TestMoveToProcess.
func TestMoveChild(t *testing.T) {
	if os.Getenv(moveEnv) == "" {
		return
	}
	c, err := fdpass.FromFile(os.NewFile(3, "handover"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := New(movingConfig(), &mover{})
	defer s.Close()
	h := hold(t, s)
	empty := wstest.Descriptors(t)
	for {
		msg, fds, err := c.Receive()
		if err != nil {
			return // the test has ended, or the process that called it
		}
		switch kind, data := msg[0], msg[1:]; kind {
		case 'l':
			_, err = s.Listen(Listener{Addr: string(data), FD: fds[0]})
		case 's':
			err = h.Restore(data)
		case 'c':
			err = h.Adopt(data, fds)
		case 'g':
			h.Thaw()
		}
		answer := "ok"
		if err != nil {
			answer = err.Error()
		}
		if err := c.Send(fmt.Appendf(nil, "%s, %d descriptors, %d open", answer, wstest.Descriptors(t)-empty, openConns(s))); err != nil {
			t.Fatal(err)
		}
	}
}

// taker is that process.
type taker struct {
	*fdpass.Conn
	t   *testing.T
	cmd *exec.Cmd
}

func startTaker(t *testing.T) *taker {
	t.Helper()
	own, other, err := fdpass.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMoveChild$")
	cmd.Env, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = append(os.Environ(), moveEnv+"=1"), []*os.File{other}, os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	own.SetDeadline(time.Now().Add(3 * wstest.Patience))
	p := &taker{own, t, cmd}
	t.Cleanup(p.end)
	return p
}

func (p *taker) end() {
	p.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// tell sends a message and returns the answer.
func (p *taker) tell(kind byte, data []byte, fds ...int) string {
	p.t.Helper()
	if err := p.Send(append([]byte{kind}, data...), fds...); err != nil {
		p.t.Fatal(err)
	}
	answer, _, err := p.Receive()
	if err != nil {
		p.t.Fatal(err)
	}
	return string(answer)
}

// give passes everything of a frozen server on.
func (p *taker) give(h *Held) (answer string) {
	p.t.Helper()
	for _, l := range h.s.Listeners() {
		p.tell('l', []byte(l.Addr), l.FD)
	}
	p.tell('s', h.State())
	_, err := h.Export(true, func(state []byte, fds []int) error {
		answer = p.tell('c', state, fds...)
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return answer
}

// TestMoveToProcess moves connections to another process, in the middle of frames; once that process is killed before it has
// the connections for good, and the old one goes on.
func TestMoveToProcess(t *testing.T) {
	const clients = 40
	old, m, addr := movable(t, movingConfig(), Listener{Addr: "127.0.0.1:0"})
	var all []*wstest.Client
	for range clients {
		all = append(all, wstest.Connect(t, addr))
	}
	frame, before := wstest.Frame(0x81, "hello"), old.Stats().BytesIn
	half := func(s *Server) {
		for i, c := range all {
			c.SendBytes(frame[:i%len(frame)])
			before += int64(i % len(frame))
		}
		readBytes(t, s, before)
	}
	rest := func() {
		t.Helper()
		for i, c := range all {
			c.SendBytes(frame[i%len(frame):])
			c.Expect(0x81, "hello")
		}
	}
	half(old)
	h, killed := hold(t, old), startTaker(t)
	if got, want := killed.give(h), fmt.Sprintf("ok, %d descriptors, %d open", clients+1, clients); got != want {
		t.Fatalf("%q; want %q", got, want)
	}
	killed.end()
	h.Thaw()
	rest()

	before = old.Stats().BytesIn
	half(old)
	h, p := hold(t, old), startTaker(t)
	p.give(h)
	if err := h.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, want := p.tell('g', nil), fmt.Sprintf("ok, %d descriptors, %d open", clients+1, clients); got != want {
		t.Errorf("%q; want %q", got, want)
	}
	h.Release()
	if err := old.Shutdown(context.Background(), 0); err != nil {
		t.Error(err)
	}
	rest()
	wstest.Connect(t, addr).Leave()
	if m.numClosed() != 0 {
		t.Errorf("%d connections were closed by the old process", m.numClosed())
	}
}
