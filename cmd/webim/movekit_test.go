package main_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"webim/netpoll/wstest"
)

// A moving is a server that moves from process to process. All write to the same log.
type moving struct {
	t    *testing.T
	log  wstest.Log
	pid  int
	addr string     // of the first listener
	end  chan error // of the first process

	inPlace bool // upgrades keep the process
}

// startMoving starts `webim serve` with JSON logs. The end of the test kills whichever process serves then.
func startMoving(t *testing.T, program string, args ...string) *moving {
	t.Helper()
	return startMovingBy(t, nil, program, args...)
}

// startMovingBy is startMoving with words before the program, which must become the program.
func startMovingBy(t *testing.T, prefix []string, program string, args ...string) *moving {
	t.Helper()
	m, err := startMovingAs(t, nil, prefix, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// startMovingAs is startMovingBy with attributes of the process. The error is that of its start. A handshake and a message may take as
// long as the test is patient, because thousands of clients and the processes of an upgrade share the processors.
func startMovingAs(t *testing.T, attr *syscall.SysProcAttr, prefix []string, program string, args ...string) (*moving, error) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	m := &moving{t: t, end: make(chan error, 1)}
	words := slices.Concat(prefix, []string{program, "serve", "--log-format", "json", "--drain-delay", "0s", "--shutdown-spread", "0s", "--listen", "127.0.0.1:0",
		"--rate-send", "none", "--user-rate-send", "none", "--handshake-timeout", wstest.Patience.String(), "--message-timeout", wstest.Patience.String()}, args)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stderr, cmd.Stdout = in, in
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return nil, err
	}
	in.Close()
	m.pid = cmd.Process.Pid
	var following sync.WaitGroup
	following.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			_, _ = m.log.Write([]byte(lines.Text() + "\n"))
		}
	})
	go func() { m.end <- cmd.Wait() }()
	t.Cleanup(func() {
		if p, err := os.FindProcess(m.pid); err == nil {
			_ = p.Kill()
		}
		following.Wait() // all processes have ended
		out.Close()
		if text := m.log.String(); t.Failed() || strings.Contains(text, "panic") {
			t.Errorf("webim said:\n%s", text)
		}
	})
	m.await("limit of open files", 0)
	m.addr = m.lines("listening")[0]["addr"].(string)
	return m, nil
}

// ended waits for the end of the first process.
func (m *moving) ended() error {
	select {
	case err := <-m.end:
		return err
	case <-time.After(wstest.Patience):
		return errors.New("it has not ended")
	}
}

// lines returns the log lines with a message.
func (m *moving) lines(msg string) []map[string]any { return m.log.Records(msg) }

// await waits for the line with a message after the first n such lines.
func (m *moving) await(msg string, n int) map[string]any {
	m.t.Helper()
	wstest.Eventually(m.t, "the log has "+msg, func() bool { return len(m.lines(msg)) > n })
	return m.lines(msg)[n]
}

const (
	linesUpgraded   = "upgraded: another process serves now"
	linesRolledBack = "the upgrade is rolled back, and this process serves as before"
)

// signalUpgrade begins an upgrade.
func (m *moving) signalUpgrade() {
	m.t.Helper()
	if err := syscall.Kill(m.pid, syscall.SIGUSR2); err != nil {
		m.t.Fatal(err)
	}
}

// upgrade upgrades the server and returns the line about it.
func (m *moving) upgrade() map[string]any {
	m.t.Helper()
	if m.inPlace {
		return m.upgradeInPlace()
	}
	done, left, ready := len(m.lines(linesUpgraded)), len(m.lines("ended, and another process goes on")), len(m.lines("limit of open files"))
	failed := len(m.lines(linesRolledBack))
	m.signalUpgrade()
	wstest.Eventually(m.t, "an upgrade ends", func() bool { return len(m.lines(linesUpgraded)) > done || len(m.lines(linesRolledBack)) > failed })
	if len(m.lines(linesRolledBack)) > failed {
		m.t.Fatal("the upgrade was rolled back")
	}
	line := m.await(linesUpgraded, done)
	m.pid = int(line["pid"].(float64))
	m.await("ended, and another process goes on", left)
	m.await("limit of open files", ready)
	return line
}

// descriptors counts the open files of the process that serves.
func (m *moving) descriptors() int {
	m.t.Helper()
	dir, err := os.ReadDir("/proc/" + strconv.Itoa(m.pid) + "/fd")
	if err != nil {
		m.t.Fatal(err)
	}
	return len(dir)
}
