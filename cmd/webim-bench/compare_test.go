package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"webim/netpoll/wstest"
)

// Three runs of the program, compared with themselves and with worse ones.
func TestRunsAndCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, worse := filepath.Join(dir, "before.json"), filepath.Join(dir, "after.json")
	at := wstest.FreeAddr(t).String()
	out, code := program(t, "echo", "--url", "ws://"+at+"/", "--clients", "1", "--seconds", "0.1", "--runs", "3", "--json", name,
		"--cmd", "/usr/bin/env "+asProgram+"=1 "+os.Args[0]+" floor --listen "+at)
	if code != 0 && code != exitLimited {
		t.Fatalf("exit %d: %s", code, out)
	}
	if out, code := program(t, "compare", name, name, "--html", filepath.Join(dir, "both.html")); code != 0 || !strings.Contains(out, "same") || strings.Contains(out, "worse") {
		t.Errorf("exit %d: %s", code, out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "both.html")); err != nil || !strings.Contains(string(b), "after 3") {
		t.Errorf("the page: %v", err)
	}
	// The same runs with latencies of 1000 ms and more.
	if out, err := exec.Command("sh", "-c", `sed 's/"p99_ms": /"p99_ms": 1000/' "$0" > "$1"`, name, worse).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, code := program(t, "compare", name, worse); code != exitFailed || !strings.Contains(out, "worse") {
		t.Errorf("exit %d: %s", code, out)
	}
	if out, code := program(t, "compare", worse, name); code != 0 || !strings.Contains(out, "better") {
		t.Errorf("exit %d: %s", code, out)
	}
}
