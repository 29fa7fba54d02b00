package proc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Server is a server that the lab has started.
type Server struct {
	cmd    *exec.Cmd
	out    *Tail
	exited chan struct{}
}

// StartServer runs a command and waits until addr accepts connections. A command with shell characters runs under sh. The
// kernel kills the server when this process ends for any reason. Behind a shell there is one exception: the server
// survives if this process is killed by SIGKILL.
func StartServer(ctx context.Context, command, addr string) (*Server, error) {
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("--cmd: another program already listens on %s: stop it, or give its --pid instead of --cmd", addr)
	}
	return StartAnswering(ctx, fmt.Sprintf("--cmd %q", command), SplitCommand(command), addr)
}

// StartAnswering starts a program and waits until addr accepts connections, 30 s at most. Errors call the program name.
func StartAnswering(ctx context.Context, name string, argv []string, addr string) (*Server, error) {
	s, err := StartProcess(argv, nil)
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

// SplitCommand returns the arguments of a command. It uses a shell only if the command has shell characters, because the
// shell would be one more process in the tree.
func SplitCommand(command string) []string {
	if strings.ContainsAny(command, "\"'`$&|;<>()*?[]{}~\\#=\n") {
		return []string{"sh", "-c", command}
	}
	return strings.Fields(command)
}

// StartProcess starts a child in a process group of its own. If firstLine is not nil, the first line of the child's
// standard output is sent to it.
func StartProcess(argv []string, firstLine chan<- string) (*Server, error) {
	if len(argv) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	s := &Server{cmd: exec.Command(argv[0], argv[1:]...), out: &Tail{first: firstLine}, exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out.later()
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // the exit status does not matter: the lab itself ends the server
		close(s.exited)
	}()
	return s, nil
}

// PID returns the number of the process to measure.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stop asks the server and its children to end by SIGTERM. After five seconds it kills the whole group.
func (s *Server) Stop() {
	_ = syscall.Kill(-s.PID(), syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(5 * time.Second):
	}
	_ = syscall.Kill(-s.PID(), syscall.SIGKILL) // the remaining processes of the group
	<-s.exited
}

// Kill ends the server and its children by SIGKILL.
func (s *Server) Kill() {
	_ = syscall.Kill(-s.PID(), syscall.SIGKILL)
	<-s.exited
}

// Tail is a writer that keeps the last 4 KB, and passes on the first line. It is safe for concurrent use.
type Tail struct {
	mu    sync.Mutex
	buf   []byte
	first chan<- string // nil if the line was sent, or if nobody asked for it
	line  []byte        // the beginning of the first line
}

func (t *Tail) Write(b []byte) (int, error) {
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

func (t *Tail) keep(b []byte) {
	if t.buf = append(t.buf, b...); len(t.buf) > 4<<10 {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-4<<10:]...)
	}
}

// later returns a writer to t that does not pass on a first line.
func (t *Tail) later() io.Writer { return laterLines{t} }

type laterLines struct{ t *Tail }

func (l laterLines) Write(b []byte) (int, error) {
	l.t.mu.Lock()
	defer l.t.mu.Unlock()
	l.t.keep(b)
	return len(b), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}

// Exited reports whether the server has ended, and returns its last output.
func (s *Server) Exited() (said string, ended bool) {
	select {
	case <-s.exited:
		return s.out.String(), true
	default:
		return "", false
	}
}

// StartAnnounced starts a program that names the address on which it listens in the first line of its standard output, bare or as http://ADDRESS/. Errors call
// the program name. The returned URL is the address as ws://ADDRESS/.
func StartAnnounced(ctx context.Context, name string, argv []string) (*Server, string, error) {
	line := make(chan string, 1)
	s, err := StartProcess(argv, line)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	first, err := s.firstLine(ctx, name, line)
	if err == nil {
		if url := urlIn(first); url != "" {
			return s, url, nil
		}
		err = fmt.Errorf("%s: its first line must name the address that it listens on; it said: %s", name, first)
	}
	s.Stop()
	return nil, "", err
}

// firstLine waits for the first line of a server, 30 s at most. If the server writes a line and ends at once, it returns
// the line, because that explains the end.
func (s *Server) firstLine(ctx context.Context, name string, line <-chan string) (string, error) {
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case first := <-line:
		return first, nil
	case <-s.exited:
	case <-timer.C:
		return "", fmt.Errorf("%s has printed no address for 30 s; it said: %s", name, s.out)
	case <-ctx.Done():
		return "", ctx.Err()
	}
	select {
	case first := <-line:
		return first, nil
	default:
		return "", fmt.Errorf("%s ended at once; it said: %s", name, s.out)
	}
}

// urlIn returns the first address in a line as a URL, or "".
func urlIn(line string) string {
	for _, word := range strings.Fields(line) {
		if at, err := netip.ParseAddrPort(strings.TrimSuffix(strings.TrimPrefix(word, "http://"), "/")); err == nil {
			return "ws://" + at.String() + "/"
		}
	}
	return ""
}

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.exited }

// Output returns the last 4 KB that the server wrote.
func (s *Server) Output() string { return s.out.String() }

// State describes how the server ended, as os.ProcessState does. Call it only after Done is closed.
func (s *Server) State() string { return s.cmd.ProcessState.String() }
