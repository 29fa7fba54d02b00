package main_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/cmd/webim/internal/testcert"
	"webim/netpoll/wstest"
)

const linesInPlace = "upgraded in place: this process has a new program"

// upgradeInPlace upgrades the server in its process and returns the line about it.
func (m *moving) upgradeInPlace() map[string]any {
	m.t.Helper()
	done, ready, failed := len(m.lines(linesInPlace)), len(m.lines("limit of open files")), len(m.lines(linesRolledBack))
	m.signalUpgrade()
	wstest.Eventually(m.t, "an upgrade ends", func() bool { return len(m.lines(linesInPlace)) > done || len(m.lines(linesRolledBack)) > failed })
	if len(m.lines(linesRolledBack)) > failed {
		m.t.Fatal("the upgrade was rolled back")
	}
	line := m.await(linesInPlace, done)
	m.await("limit of open files", ready)
	if pid := int(line["pid"].(float64)); pid != m.pid && pid != 1 {
		m.t.Errorf("the process %d serves, and it was %d", pid, m.pid)
	}
	return line
}

// testInPlace is testLiveUpgrade in one process.
func testInPlace(t *testing.T, program string) {
	clients, rooms, times, interval := 1000, 10, 3, 20*time.Millisecond
	if wstest.Long() {
		clients, rooms, times, interval = 15_000, 150, 10, 750*time.Millisecond
	}
	m := startMoving(t, program, "--open", "--engine", "memory", "--personal=false", "--upgrade-by", "exec")
	m.inPlace = true
	liveUpgrades(t, m, clients, rooms, times, interval)
}

// testInPlaceStore is testStoreUpgrade in one process.
func testInPlaceStore(t *testing.T, program string) {
	m := startMoving(t, program, "--open", "--data", t.TempDir(), "--personal=false", "--upgrade-by", "exec")
	m.inPlace = true
	storeUpgrades(t, m)
	for _, line := range m.lines(linesInPlace) {
		if note := line["note"].(string); !strings.HasPrefix(note, "the store could not be used for ") {
			t.Errorf("the note is %q", note)
		}
		t.Log(line["note"])
	}
}

// testInPlaceFails checks that the program goes on whatever is wrong with the new one, that webim upgrade --exec prints the reason,
// and that it gets the verdict from the new program when that is in its place.
func testInPlaceFails(t *testing.T, program string) {
	dir := t.TempDir()
	inPlace, file, key := filepath.Join(dir, "webim"), filepath.Join(dir, "webim.yaml"), filepath.Join(dir, "key")
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	const good = "open: true\ndata: store\n"
	putInPlace(t, inPlace, string(b))
	putInPlace(t, file, good)
	putInPlace(t, key, "0123456789abcdef0123456789abcdef")
	internal := "unix:" + filepath.Join(dir, "internal")
	there := []string{"sh", "-c", `cd "$0" && exec "$@"`, dir}
	m := startMovingBy(t, there, inPlace, "--config", file, "--internal", internal, "--api-key-file", key)
	m.inPlace = true
	c := gather(t, m.addr, 20, 2)
	defer c.end()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	talking := c.talk(ctx, 5*time.Millisecond, 1)
	verdict := func() string {
		t.Helper()
		out, _ := exec.Command(program, "upgrade", "--exec", "--engine", "memory", "--internal", internal, "--api-key-file", key).CombinedOutput()
		return string(out)
	}
	for _, bad := range []struct{ name, program, file, want string }{
		{"not a program", "no program", good, "exec format error"},
		{"ends at once", "#!/bin/sh\nexit 1\n", good, "the new process has ended"},
		{"wrong settings", string(b), good + "max_queue: 1MiB\nmax_queued: 1KiB\n", "lower the first or raise the second"},
		{"another folder", string(b), "open: true\ndata: other\n", "the process before this one has used another folder"},
		{"another engine", string(b), "open: true\nengine: memory\n", "the engine was embedded and is memory now"},
		{"no certificate", string(b), good + "tls_listen: " + m.addr + "\ntls_cert: x\n", "tls_key"},
		{"dies at the start", "#!/bin/sh\nkill -9 $$\n", good, "the new process has ended"},
	} {
		putInPlace(t, inPlace, bad.program)
		putInPlace(t, file, bad.file)
		if got := verdict(); !strings.Contains(got, "rolled back: ") || !strings.Contains(got, bad.want) {
			t.Errorf("%s: %q, want %q", bad.name, got, bad.want)
		}
		n := c.got.Load()
		wstest.Eventually(t, "the old program serves on", func() bool { return c.got.Load() > n+100 })
	}
	putInPlace(t, inPlace, string(b))
	putInPlace(t, file, good)
	for range 2 {
		if got := verdict(); !strings.HasPrefix(got, "moved: the process "+strconv.Itoa(m.pid)+" ") {
			t.Fatalf("the verdict is %q", got)
		}
		n := c.got.Load()
		wstest.Eventually(t, "the new program serves", func() bool { return c.got.Load() > n+100 })
	}
	cancel()
	talking.Wait()
	c.check()
}

// testInPlaceHalfway makes the new program vanish when it stands in, or fail in the first process: then the stand-in serves on, the first
// process waits for its end, and passes signals on to it. The next upgrade keeps the process of the stand-in.
func testInPlaceHalfway(t *testing.T, program string) {
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, script, line string }{
		{"it vanishes", `test -z "$WEBIM_UPGRADE_STAND_IN" || rm "$0"`, linesHalfway},
		{"it refuses", `test -z "$WEBIM_UPGRADE_RETURN" || set -- "$@" --max-queue 1GiB --max-queued 1KiB`, "the process before this one cannot take everything back, so this one serves in its place"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "webim")
			putInPlace(t, path, string(b))
			m := startMoving(t, path, "--open", "--data", t.TempDir(), "--upgrade-by", "exec")
			crowd := gather(t, m.addr, 20, 2)
			defer crowd.end()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			talking := crowd.talk(ctx, 5*time.Millisecond, 1)
			serves := func() {
				t.Helper()
				n := crowd.got.Load()
				wstest.Eventually(t, "everybody is served", func() bool { return crowd.got.Load() > n+100 })
			}
			putInPlace(t, path, "#!/bin/sh\n"+c.script+"\nexec '"+program+"' \"$@\"\n")
			m.signalUpgrade()
			m.await(c.line, 0)
			standIn := m.await("another process stands in while this one gets the new program", 0)["pid"]
			defer syscall.Kill(int(standIn.(float64)), syscall.SIGKILL)
			serves()
			if group, err := syscall.Getpgid(int(standIn.(float64))); err != nil || group != int(standIn.(float64)) {
				t.Errorf("an interrupt from the terminal comes to the stand-in twice: its process group is %d, %v", group, err)
			}
			wstest.Eventually(t, "the first process passes signals on", func() bool {
				m.signalUpgrade() // it is ignored until the process waits
				return len(m.lines("an upgrade begins")) > 1
			})
			if line := m.await(linesInPlace, 0); line["pid"] != standIn {
				t.Errorf("the next upgrade: %v, and the stand-in was %v", line, standIn)
			}
			serves()
			cancel()
			talking.Wait()
			crowd.check()
			crowd.ending.Store(true)
			if err := syscall.Kill(m.pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			m.await("shutting down", 0)
			if err := m.ended(); err != nil {
				t.Errorf("the first process: %v", err)
			}
		})
	}
}

// linesHalfway is what the first process says when it could not get the new program.
const linesHalfway = "the upgrade has failed halfway: a process with the new program serves, and this one waits for its end"

// testFirstProcess checks that the first process of a container is upgraded in place by itself, that its descriptors are the same as
// before, and that no other process would inherit one.
func testFirstProcess(t *testing.T, program string) {
	args := []string{"--open", "--engine", "memory", "--listen", "unix:" + filepath.Join(t.TempDir(), "socket")}
	m, err := startMovingAs(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}, nil, program, args...)
	if err != nil {
		t.Logf("this user may not make a pid namespace (%v), so the process is not the first one, and the setting decides", err)
		m = startMoving(t, program, append(args, "--upgrade-by", "exec")...)
	}
	m.inPlace = true
	c := gather(t, m.addr, 50, 5)
	defer c.end()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	talking := c.talk(ctx, 5*time.Millisecond, 1)
	before := m.descriptors()
	for range 3 {
		line := m.upgrade()
		if pid := int(line["pid"].(float64)); err == nil && pid != 1 {
			t.Errorf("the process calls itself %d", pid)
		}
		n := c.got.Load()
		wstest.Eventually(t, "the new program serves", func() bool { return c.got.Load() > n+100 })
	}
	if after := m.descriptors(); after < before-4 || after > before+4 {
		t.Errorf("%d open files, and %d before", after, before)
	}
	dir := "/proc/" + strconv.Itoa(m.pid) + "/fdinfo"
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // it was closed
		}
		_, rest, _ := strings.Cut(string(text), "flags:\t")
		octal, _, _ := strings.Cut(rest, "\n")
		flags, err := strconv.ParseUint(octal, 8, 64)
		if fd, _ := strconv.Atoi(f.Name()); err != nil || fd > 2 && flags&syscall.O_CLOEXEC == 0 {
			t.Errorf("the file %s would stay open in another process: %q, %v", f.Name(), text, err)
		}
	}
	cancel()
	talking.Wait()
	c.check()
	c.ending.Store(true)
	if err := syscall.Kill(m.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.await("ended", 0)
}

// testInPlaceOrphan kills the first process of an upgrade in place, without a service manager that would know of another one. Whatever
// it did then, the stand-in serves no longer: it ends as after SIGTERM.
func testInPlaceOrphan(t *testing.T, program string) {
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	const (
		back    = `test -z "$WEBIM_UPGRADE_RETURN" || `
		vanish  = `test -z "$WEBIM_UPGRADE_STAND_IN" || rm "$0"`
		standIn = "another process stands in while this one gets the new program"
	)
	for _, c := range []struct {
		name, script string
		kill         func(m *moving, path string)
	}{
		{"in_the_hand-back", back + "kill -9 $$", nil},
		{"by_SIGTERM_at_the_start_of_the_new_program", back + "kill -TERM $$", nil},
		{"while_it_waits", vanish, func(m *moving, _ string) {
			m.await(linesHalfway, 0)
			m.kill()
		}},
		{"after_the_next_upgrade", vanish, func(m *moving, path string) {
			pid := int(m.await(standIn, 0)["pid"].(float64))
			m.await(linesHalfway, 0)
			putInPlace(m.t, path, string(b))
			wstest.Eventually(m.t, "the stand-in is upgraded", func() bool {
				_ = syscall.Kill(pid, syscall.SIGUSR2) // it is refused until the hand-back has failed
				return len(m.lines(linesInPlace)) > 0
			})
			m.kill()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "webim")
			putInPlace(t, path, string(b))
			m := startMoving(t, path, "--open", "--engine", "memory", "--upgrade-by", "exec")
			client := dial(t, "tcp", m.addr)
			putInPlace(t, path, "#!/bin/sh\n"+c.script+"\nexec '"+program+"' \"$@\"\n")
			m.signalUpgrade()
			pid := int(m.await(standIn, 0)["pid"].(float64))
			defer syscall.Kill(pid, syscall.SIGKILL)
			if c.kill != nil {
				c.kill(m, path)
			}
			if code := client.awaitClose(); code != ws.StatusGoingAway {
				t.Errorf("the client gets %d", code)
			}
			m.await("shutting down", 0)
			wstest.Eventually(t, "the stand-in ends", func() bool { return hasEnded(pid) })
		})
	}
}

// kill kills the first process.
func (m *moving) kill() {
	m.t.Helper()
	if err := syscall.Kill(m.pid, syscall.SIGKILL); err != nil {
		m.t.Error(err)
	}
}

// testInPlaceTLS checks that clients over TLS are told to reconnect, be they clients of the first process or of the stand-in, that others stay, and that the
// stand-in, which waits for its clients, is not forgotten in the next upgrade.
func testInPlaceTLS(t *testing.T, program string) {
	dir := t.TempDir()
	cert, key := testcert.New(t, 0, time.Hour, "localhost")
	for name, text := range map[string]string{"cert": cert, "key": key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := startMoving(t, program, "--open", "--engine", "memory", "--tls-listen", "127.0.0.1:0", "--tls-cert", filepath.Join(dir, "cert"), "--tls-key", filepath.Join(dir, "key"),
		"--upgrade-by", "exec", "--close-timeout", "1h", "--shutdown-timeout", "1h")
	m.inPlace = true
	secure := m.lines("listening")[1]["addr"].(string)
	dialTLS := func() *socket {
		t.Helper()
		d := ws.Dialer{Timeout: startTimeout, TLSConfig: &tls.Config{InsecureSkipVerify: true}}
		conn, _, _, err := d.Dial(t.Context(), "wss://"+secure+"/room")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return &socket{conn, t}
	}
	told := func(s *socket) {
		t.Helper()
		_ = s.SetDeadline(time.Now().Add(startTimeout))
		if f, err := ws.ReadFrame(s); err != nil || f.Header.OpCode != ws.OpClose || ws.StatusCode(binary.BigEndian.Uint16(f.Payload)) != ws.StatusGoingAway {
			t.Errorf("a client over TLS gets %v, %v", f, err)
		}
	}
	of := []*socket{dialTLS(), dialTLS()}
	plain := dial(t, "tcp", m.addr)
	m.signalUpgrade()
	standIn := int(m.await("another process stands in while this one gets the new program", 0)["pid"].(float64))
	late := dialTLS()
	for _, s := range of {
		told(s)
		s.Close()
	}
	if line := m.await(linesInPlace, 0); line["clients"].(float64) != 1 || line["stayed"].(float64) != 3 {
		t.Errorf("%v", line)
	}
	told(late) // the stand-in waits for its answer
	m.await("limit of open files", 2)
	if line := m.upgrade(); line["clients"].(float64) != 1 || line["stayed"].(float64) != 0 {
		t.Errorf("%v", line)
	}
	plain.echo("it was not told anything")
	late.Close()
	wstest.Eventually(t, "the first stand-in is no zombie", func() bool { return processState(standIn) == 0 })
}
