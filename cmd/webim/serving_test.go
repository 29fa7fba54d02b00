package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

func testHealth(t *testing.T, program string) {
	r := launch(t, program, nil, "--listen", "127.0.0.1:0")
	if status, body := get(t, "tcp", r.addrs[0], "/health"); status != 200 || body != "ok\n" {
		t.Errorf("/health: %d %q", status, body)
	}
	if status, body := get(t, "tcp", r.addrs[0], "/"); status != 200 || !strings.Contains(body, "<title>") {
		t.Errorf("/: %d %q", status, body)
	}
	if status, _ := get(t, "tcp", r.addrs[0], "/nothing"); status != 404 {
		t.Errorf("/nothing: %d", status)
	}
}

// testLog checks the log lines for the operator.
func testLog(t *testing.T, program string) {
	r := launch(t, program, []string{"env", "WEBIM_SERVICE_HOST=10.0.0.1"}, "--open", "--listen", "127.0.0.1:0", "--max-conns", "5", "--log-level", "debug")
	if line := r.awaitLog("limit of open files"); line["clients"] != 5.0 || line["files"].(float64) < 16 {
		t.Errorf("%v", line)
	}
	if line := r.awaitLog("open is set: whoever can reach the port can read and write every room that the section rooms does not name"); line["level"] != "WARN" {
		t.Errorf("%v", line)
	}
	closed := launch(t, program, nil, "--listen", "127.0.0.1:0")
	if line := closed.awaitLog("nobody can join a room: there are no token keys, and neither open nor the section rooms admits clients without a token"); line["level"] != "WARN" {
		t.Errorf("%v", line)
	}
	r.awaitLog("the variable WEBIM_SERVICE_HOST matches no setting and is ignored")
	s := dial(t, "tcp", r.addrs[0])
	if line := r.awaitLog("open"); line["path"] != "/"+t.Name() || line["remote"] != s.LocalAddr().String() {
		t.Errorf("%v", line)
	}
	if err := wsutil.WriteClientMessage(s, ws.OpClose, ws.NewCloseFrameBody(4001, "enough")); err != nil {
		t.Fatal(err)
	}
	s.awaitClose() // the answer
	if line := r.awaitLog("close"); line["cause"] != "client closed" || line["code"] != 4001.0 || line["reason"] != "enough" {
		t.Errorf("%v", line)
	}

	quiet := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0")
	s = dial(t, "tcp", quiet.addrs[0])
	s.echo("hello")
	_ = s.Close()
	quiet.signal(syscall.SIGTERM)
	quiet.awaitExit()
	if n := len(quiet.log("open")) + len(quiet.log("close")); n != 0 {
		t.Errorf("at info level %d opens and closes are logged", n)
	}
}

func testUnixSocket(t *testing.T, program string) {
	dir, err := os.MkdirTemp("", "webim") // short: a socket's path has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	first := launch(t, program, nil, "--dev", "--listen", "unix:"+path)
	dial(t, "unix", path).echo("over a file")
	if status, _ := get(t, "unix", path, "/health"); status != 200 {
		t.Errorf("/health: %d", status)
	}
	if e := runWebim(t, program, nil, "serve", "--log-level", "error", "--listen", "unix:"+path); e.code != 1 || !strings.Contains(e.errs, "address already in use; another program listens there") {
		t.Errorf("a second server on the socket: %+v", e)
	}
	dial(t, "unix", path).echo("the first is unharmed")

	first.kill() // leaves the file behind
	second := launch(t, program, nil, "--dev", "--listen", "unix:"+path)
	s := dial(t, "unix", path)
	s.echo("again")
	second.signal(syscall.SIGTERM)
	s.awaitClose()
	if code := second.awaitExit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket's file is still there: %v", err)
	}
}
