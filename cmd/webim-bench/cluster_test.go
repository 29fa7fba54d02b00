package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
)

// TestCluster runs three nodes and a NATS server, as make cluster does. A message reaches a client on another node, a
// process that was killed starts again, and nothing runs after Ctrl-C.
func TestCluster(t *testing.T) {
	t.Parallel()
	webim, bench := buildPrograms(t)
	dir := filepath.Join(t.TempDir(), "cluster")
	args := []string{"cluster", "--listen", "127.0.0.1:0,127.0.0.1:0,127.0.0.1:0", "--webim", webim, "--dir", dir, "--restart-delay", "100ms"}
	var out wstest.Log
	cmd := exec.Command(bench, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		if <-exited; t.Failed() {
			t.Log(out.String())
		}
	})
	wstest.Eventually(t, "the nodes serve", func() bool { return strings.Contains(out.String(), "Ctrl-C ends all") })
	nodes := regexp.MustCompile(`  node \d  http://(\S+)/ .* process: (\d+)\n`).FindAllStringSubmatch(out.String(), -1)
	if len(nodes) != 3 {
		t.Fatalf("%d nodes", len(nodes))
	}
	say(t, nodes[0][1], nodes[2][1])

	if again, code := runProgram(t, bench, args...); code != exitFailed || !strings.Contains(again, "another webim-bench cluster uses it") {
		t.Errorf("a second one in the same folder: exit code %d, %s", code, again)
	}

	pid, _ := strconv.Atoi(nodes[0][2])
	_ = syscall.Kill(pid, syscall.SIGKILL)
	wstest.Eventually(t, "the killed node serves again", func() bool {
		return strings.Contains(out.String(), "node 1 has ended (signal: killed); it starts again in 100ms") &&
			regexp.MustCompile(`(?s)has ended.*node 1: .*msg="limit of open files"`).MatchString(out.String())
	})
	say(t, nodes[0][1], nodes[2][1])

	_ = cmd.Process.Signal(syscall.SIGINT)
	<-exited
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, name := range []string{webim + "\x00serve", bench + "\x00nats"} {
		if left := processes(t, name, dir); len(left) > 0 {
			t.Errorf("these run after Ctrl-C: %q", left)
		}
	}
}

// say sends a message to one node, and reads it on another. The reader is in the room once it has its own message.
func say(t *testing.T, from, to string) {
	t.Helper()
	const text = 0x80 | byte(ws.OpText)
	reader, writer := wstest.Connect(t, to), wstest.Connect(t, from)
	reader.Send(text, "I am here")
	reader.Expect(text, "I am here")
	writer.Send(text, "hello")
	reader.Expect(text, "hello")
	_, _ = reader.Conn.Close(), writer.Conn.Close()
}

// processes returns the command lines that begin with a text and name a folder.
func processes(t *testing.T, begin, dir string) (all []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes: %v", err)
	}
	for _, name := range files {
		line, _ := os.ReadFile(name) // it may have ended
		if strings.HasPrefix(string(line), begin) && strings.Contains(string(line), dir) {
			all = append(all, string(line))
		}
	}
	return all
}
