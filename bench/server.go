package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a server that we started ourselves.
type Server struct {
	cmd    *exec.Cmd
	out    *tail
	exited chan struct{}
}

// StartServer runs a command and waits until the URL's port answers; a command with shell characters goes through sh. The
// server dies with us, whatever happens; behind a shell it survives only that we are killed by SIGKILL.
func StartServer(ctx context.Context, command, url string) (*Server, error) {
	t, err := parseTarget(url)
	if err != nil {
		return nil, err
	}
	if c, err := net.DialTimeout("tcp", t.addr.String(), time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("--cmd: something listens on %s already: stop it, or give its --pid instead", t.addr)
	}
	return startAnswering(ctx, fmt.Sprintf("--cmd %q", command), splitCommand(command), t.addr.String())
}

// startAnswering starts a program, which errors call name, and waits until addr answers.
func startAnswering(ctx context.Context, name string, argv []string, addr string) (*Server, error) {
	s, err := startProcess(argv, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			return s, nil
		}
		select {
		case <-s.exited:
			return nil, fmt.Errorf("%s ended before %s answered; it said: %s", name, addr, s.out)
		case <-ctx.Done():
			s.Stop()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Stop()
			return nil, fmt.Errorf("%s does not listen on %s after 30 s; it said: %s", name, addr, s.out)
		}
	}
}

// splitCommand leaves the shell out where there is nothing for it to do: one process less in the tree.
func splitCommand(command string) []string {
	if strings.ContainsAny(command, "\"'`$&|;<>()*?[]{}~\\#=\n") {
		return []string{"sh", "-c", command}
	}
	return strings.Fields(command)
}

// startProcess starts a child in a process group of its own. firstLine, if set, gets its first line of standard output.
func startProcess(argv []string, firstLine chan<- string) (*Server, error) {
	if len(argv) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	s := &Server{cmd: exec.Command(argv[0], argv[1:]...), out: &tail{first: firstLine}, exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out.later()
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // how it ended does not matter: it is we who end it
		close(s.exited)
	}()
	return s, nil
}

// PID returns the process to measure.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop asks the server and its children to end, and kills them after five seconds.
func (s *Server) Stop() {
	_ = syscall.Kill(-s.PID(), syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-s.PID(), syscall.SIGKILL) // what is left of the group
	<-s.exited
}

// tail keeps the last 4 KB that a child wrote, and passes on its first line of standard output.
type tail struct {
	mu    sync.Mutex
	buf   []byte
	first chan<- string // nil: told, or nobody asked
	line  []byte        // what there is of it
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep(b)
	if t.first != nil {
		t.line = append(t.line, b...)
		if i := bytes.IndexByte(t.line, '\n'); i >= 0 || len(t.line) > 4<<10 {
			t.first <- string(t.line[:max(i, 0)])
			t.first, t.line = nil, nil
		}
	}
	return len(b), nil
}

func (t *tail) keep(b []byte) {
	if t.buf = append(t.buf, b...); len(t.buf) > 4<<10 {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-4<<10:]...)
	}
}

// later is t without an eye on the first line.
func (t *tail) later() io.Writer { return laterLines{t} }

type laterLines struct{ t *tail }

func (l laterLines) Write(b []byte) (int, error) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.t.keep(b)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}
