package trial

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
	"webim/bench/proc"
)

const (
	startTimeout = 30 * time.Second // of a process, until it serves
	endTimeout   = 15 * time.Second // after SIGTERM; then it is killed
)

// process is a program that runs until its context ends. If it ends before, it starts again after a while, so that
// people may kill it and watch.
type process struct {
	name         string
	argv         func() ([]string, error)
	show         *output
	serves       func(line string) bool // whether a line says that the process serves
	hides        func(line string) bool // whether a line is not shown; nil: all are
	restartDelay time.Duration          // before it starts again

	mu  sync.Mutex
	pid int // of the latest start
}

// start starts the process, and returns when it serves. The goroutine that it leaves behind in done ends with ctx.
func (p *process) start(ctx context.Context, done *sync.WaitGroup) error {
	ready, over := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	life := func() { over <- p.live(ctx, func() { once.Do(func() { close(ready) }) }) }
	done.Go(life)
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case <-ready:
	case err := <-over:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s has ended instead of serving: %v; its lines stand above", p.name, err)
	case <-timer.C:
		return fmt.Errorf("%s does not serve after %v; its lines stand above", p.name, startTimeout)
	}
	done.Go(func() {
		for p.waitToRestart(ctx, <-over) {
			life()
		}
	})
	return nil
}

// waitToRestart waits after the end of the process, and reports whether it is to start again.
func (p *process) waitToRestart(ctx context.Context, end error) bool {
	if ctx.Err() != nil {
		return false
	}
	p.show.say("%s has ended (%v); it starts again in %v", p.name, end, p.restartDelay)
	timer := time.NewTimer(p.restartDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// live runs the process once. It has a group of its own, so that Ctrl-C reaches only this program, which ends the
// processes in their order. The kernel kills it if this program dies.
func (p *process) live(ctx context.Context, ready func()) error {
	argv, err := p.argv()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endTimeout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	lines := &proc.Lines{Each: func(b []byte) {
		line := string(b)
		if p.hides == nil || !p.hides(line) {
			p.show.say("%s: %s", p.name, line)
		}
		if p.serves(line) {
			ready()
		}
	}}
	cmd.Stdout, cmd.Stderr = lines, lines // one pipe, because they are the same
	if err := cmd.Start(); err != nil {
		return err
	}
	p.mu.Lock()
	p.pid = cmd.Process.Pid
	p.mu.Unlock()
	return cmd.Wait()
}

// id returns the number of the process.
func (p *process) id() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// output writes lines of several processes. It is safe for concurrent use.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) say(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(o.w, format+"\n", args...)
}
