package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"webim/bench/option"
	"webim/bench/proc"
)

// Worker is one worker process, from outside.
type Worker struct {
	*caller
	cmd     *exec.Cmd
	stderr  *proc.Tail    // on standard error
	exited  chan struct{} // closed when it has ended
	clients int
}

// startWorker starts a worker process and enlists it. It dies with us, whatever happens.
func startWorker(argv []string, e setup) (*Worker, error) {
	if len(argv) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		argv = []string{self, "worker"}
	}
	m := &Worker{cmd: exec.Command(argv[0], argv[1:]...), stderr: &proc.Tail{}, exited: make(chan struct{}), clients: e.Clients}
	m.cmd.Stderr = m.stderr
	// A group of its own: the terminal's Ctrl-C is for us alone, who tell the others what to do.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("a worker process: %w", err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("a worker process: %w", err)
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("a worker process: %w", err)
	}
	m.caller = newCaller(out, in)
	go func() {
		<-m.ended
		_ = m.cmd.Process.Kill() // it has closed its end or written nonsense: no use for it
		_ = m.cmd.Wait()         // ProcessState says how it ended
		close(m.exited)
	}()
	if _, err := m.do(request{Do: doSetup, Setup: &e}); err != nil {
		m.stop()
		return nil, err
	}
	return m, nil
}

func (m *Worker) PID() int { return m.cmd.Process.Pid }

// do is call with a better word for the end of the process.
func (m *Worker) do(o request) (reply, error) {
	a, err := m.call(o)
	if errors.Is(err, errPipeClosed) {
		return a, m.Fault()
	}
	return a, err
}

// Fault says how the process ended, when it has.
func (m *Worker) Fault() error {
	<-m.exited
	words := m.stderr.String()
	if words != "" {
		words = "; it said: " + words
	}
	return fmt.Errorf("the worker process %d ended (%s) and took its %d clients with it%s", m.PID(), m.cmd.ProcessState, m.clients, words)
}

// stop lets the process go home, and kills it when it does not within five seconds.
func (m *Worker) stop() {
	_ = m.out.Close()
	select {
	case <-m.exited:
	case <-time.After(5 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.exited
	}
}

// SendOne sends message seq from one of the process' clients and returns when its clients, n of them, got it.
func (m *Worker) SendOne(ctx context.Context, size option.Size, tag uint64, seq uint32) (start int64, times []int64, n int, err error) {
	defer context.AfterFunc(ctx, func() { _, _ = m.call(request{Do: doCancel}) })()
	a, err := m.do(request{Do: doExpect, Tag: tag, Size: size.String(), Seq: seq})
	if err != nil {
		return 0, nil, 0, err
	}
	n = a.N
	if a, err = m.do(request{Do: doSend}); err != nil {
		return 0, nil, n, err
	}
	start = a.At
	a, err = m.do(request{Do: doAwait})
	return start, a.Times, n, err
}
