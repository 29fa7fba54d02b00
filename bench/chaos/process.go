package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
	"webim/bench/proc"
)

// process is a program that is started again whenever it ends, as a service manager does. It can be killed and paused. All
// methods are safe for concurrent use.
type process struct {
	name   string
	argv   []string
	env    []string
	log    *os.File
	onLine func(line []byte) // called with each line of its output, on one goroutine
	onEnd  func()            // called when it has ended, or is about to be started

	mu     sync.Mutex
	moved  *sync.Cond
	wanted bool // it shall run
	closed bool
	pid    int // 0: it does not run
	ended  int // how often it ended by itself
	crash  string
	done   chan struct{}
}

// again is how long a process that ended by itself waits for its next start.
const again = 500 * time.Millisecond

// start starts a process and keeps it running until close. After the end of ctx, close follows soon.
func (p *process) start(ctx context.Context) {
	p.moved, p.wanted, p.done = sync.NewCond(&p.mu), true, make(chan struct{})
	go func() {
		defer close(p.done)
		for p.isWanted() {
			p.once()
			select {
			case <-time.After(again):
			case <-ctx.Done():
			}
		}
	}()
}

// isWanted waits until the process shall run. It reports false when there is nothing left to do.
func (p *process) isWanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.wanted && !p.closed {
		p.moved.Wait()
	}
	return !p.closed
}

// once runs the program once.
func (p *process) once() {
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	out := io.MultiWriter(p.log, &proc.Lines{Each: func(line []byte) {
		p.notice(line)
		p.onLine(line)
	}})
	cmd.Stdout, cmd.Stderr, cmd.Env = out, out, append(os.Environ(), p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.onEnd()
	p.mu.Lock()
	if !p.wanted || p.closed {
		p.mu.Unlock()
		return
	}
	err := cmd.Start()
	if err == nil {
		p.pid = cmd.Process.Pid
	}
	p.mu.Unlock()
	if err == nil {
		err = cmd.Wait()
	}
	p.mu.Lock()
	p.pid = 0
	if p.wanted {
		p.ended++
		fmt.Fprintf(p.log, "--- %s ended by itself: %v\n", p.name, err)
	}
	p.moved.Broadcast()
	p.mu.Unlock()
	p.onEnd()
}

// signal sends a signal to the process, if it runs.
func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pid != 0 {
		_ = syscall.Kill(-p.pid, s)
	}
}

// kill kills the process, and waits until it has ended. It is not started again before restart.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = false
	fmt.Fprintf(p.log, "--- %s is killed\n", p.name)
	for p.pid != 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		p.moved.Wait()
	}
}

// restart starts the process after kill.
func (p *process) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = true
	p.moved.Broadcast()
}

// close kills the process for good.
func (p *process) close() {
	p.kill()
	p.mu.Lock()
	p.closed = true
	p.moved.Broadcast()
	p.mu.Unlock()
	<-p.done
	_ = p.log.Close()
}

// PID returns the number of the process; 0 if it does not run.
func (p *process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// state returns how often the process ended by itself, and its panic.
func (p *process) state() (ended int, crash string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended, p.crash
}

// notice finds the beginning of a panic in the output.
func (p *process) notice(line []byte) {
	if bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.crash = p.name + " has ended: " + string(line)
	}
}
