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

// Worker is a worker process, seen from outside.
type Worker struct {
	*caller
	cmd     *exec.Cmd
	stderr  *proc.Tail    // last output on standard error
	exited  chan struct{} // closed when the process has ended
	clients int
}

// startWorker starts a worker process for so many clients. The kernel kills the process when this one ends for any reason.
func startWorker(argv []string, clients int) (*Worker, error) {
	if len(argv) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		argv = []string{self, "worker"}
	}
	m := &Worker{cmd: exec.Command(argv[0], argv[1:]...), stderr: &proc.Tail{}, exited: make(chan struct{}), clients: clients}
	m.cmd.Stderr = m.stderr
	// The process has its own group, so the terminal's Ctrl-C reaches only this process, which then ends the others.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := m.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker process: %w", err)
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a worker process: %w", err)
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting a worker process: %w", err)
	}
	m.caller = newCaller(out, in)
	go func() {
		<-m.ended
		_ = m.cmd.Process.Kill() // it has closed the pipe or written invalid data, so it is of no use
		_ = m.cmd.Wait()         // ProcessState has the result
		close(m.exited)
	}()
	return m, nil
}

func (m *Worker) PID() int { return m.cmd.Process.Pid }

// do is call with a better error for a process that has ended.
func (m *Worker) do(o request) (reply, error) {
	a, err := m.call(o)
	if errors.Is(err, errPipeClosed) {
		return a, m.Fault()
	}
	return a, err
}

// Fault waits until the process has ended, and returns how it ended.
func (m *Worker) Fault() error {
	<-m.exited
	words := m.stderr.String()
	if words != "" {
		words = "; it said: " + words
	}
	return fmt.Errorf("the worker process %d ended (%s); its %d clients are lost%s", m.PID(), m.cmd.ProcessState, m.clients, words)
}

// stop closes the pipe, which ends the process, and kills it if it has not ended after five seconds.
func (m *Worker) stop() {
	_ = m.out.Close()
	select {
	case <-m.exited:
	case <-time.After(5 * time.Second):
		_ = m.cmd.Process.Kill()
		<-m.exited
	}
}

// SendOne sends message seq from one of the process's clients, and returns the time of sending, the times of reception,
// and the number n of open clients.
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
