package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// testUpgradeManager checks what the service manager is told, that a second upgrade at the same time is refused, and that SIGTERM takes an
// upgrade back.
func testUpgradeManager(t *testing.T, program string) {
	dir := t.TempDir()
	inPlace, socket := filepath.Join(dir, "webim"), filepath.Join(dir, "notify")
	if err := os.Symlink(program, inPlace); err != nil {
		t.Fatal(err)
	}
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	await := func(want string) {
		t.Helper()
		b := make([]byte, 4096)
		for {
			manager.SetReadDeadline(time.Now().Add(startTimeout))
			n, err := manager.Read(b)
			if err != nil {
				t.Fatalf("%s did not come: %v", want, err)
			}
			if strings.HasPrefix(string(b[:n]), want) {
				return
			}
		}
	}
	m := startMovingBy(t, []string{"env", "NOTIFY_SOCKET=" + socket}, inPlace, "--open", "--engine", "memory")
	await("READY=1")
	m.upgrade()
	await("RELOADING=1")
	await("MAINPID=" + strconv.Itoa(m.pid))
	await("READY=1")

	// The next program hangs at its start.
	putInPlace(t, inPlace, "#!/bin/sh\nexec sleep 600\n")
	begun := len(m.lines("an upgrade begins"))
	m.signalUpgrade()
	m.await("an upgrade begins", begun)
	m.signalUpgrade()
	if line := m.await("an upgrade is refused", 0); !strings.Contains(line["err"].(string), "under way already, since") {
		t.Errorf("the second one: %v", line["err"])
	}
	if err := syscall.Kill(m.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line := m.await(linesRolledBack, 0); line["err"] != "this process got a signal (terminated), which ends it" {
		t.Errorf("the upgrade is taken back because %v", line["err"])
	}
	m.await("ended", 0)
	await("STOPPING=1")
}

// testInPlaceManager checks what the service manager is told: the main process stays the same. Signals work in the new program.
func testInPlaceManager(t *testing.T, program string) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, await := listenNotify(t, socket)
	defer manager.Close()
	m := startMovingBy(t, []string{"env", "NOTIFY_SOCKET=" + socket}, program, "--open", "--engine", "memory", "--upgrade-by", "exec")
	m.inPlace = true
	await("READY=1")
	for range 2 {
		m.upgrade()
		await("RELOADING=1")
		await("READY=1")
	}
	if err := syscall.Kill(m.pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await("RELOADING=1")
	await("READY=1")
	if err := syscall.Kill(m.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await("STOPPING=1")
	m.await("ended", 0)
}

// testInPlaceWatchdog checks that the watchdog of a service manager is fed while the old program waits for a request to its internal
// address.
func testInPlaceWatchdog(t *testing.T, program string) {
	dir := t.TempDir()
	manager, await := listenNotify(t, filepath.Join(dir, "notify"))
	defer manager.Close()
	file, internal := filepath.Join(dir, "key"), filepath.Join(dir, "internal")
	putInPlace(t, file, "0123456789abcdef0123456789abcdef")
	m := startMovingBy(t, []string{"env", "NOTIFY_SOCKET=" + filepath.Join(dir, "notify"), "WATCHDOG_USEC=400000"}, program, "--open", "--engine", "memory",
		"--upgrade-by", "exec", "--internal", "unix:"+internal, "--api-key-file", file, "--shutdown-timeout", "1h")
	m.inPlace = true
	await("READY=1")
	slow, err := net.Dial("unix", internal)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := fmt.Fprintf(slow, "GET /debug/pprof/trace?seconds=60 HTTP/1.1\r\nHost: localhost\r\nX-API-Key: 0123456789abcdef0123456789abcdef\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	m.await("a profile is taken", 0)
	m.signalUpgrade()
	m.await("another process stands in while this one gets the new program", 0)
	for range 10 {
		await("WATCHDOG=1")
	}
	slow.Close()
	m.await(linesInPlace, 0)
	await("READY=1")
}

// listenNotify returns the socket of a service manager, and a function that awaits a message. In between, the watchdog may be fed.
func listenNotify(t *testing.T, name string) (manager *net.UnixConn, await func(want string)) {
	t.Helper()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	return manager, func(want string) {
		t.Helper()
		manager.SetReadDeadline(time.Now().Add(startTimeout))
		for {
			b := make([]byte, 4096)
			n, err := manager.Read(b)
			switch got := string(b[:n]); {
			case err != nil:
				t.Fatalf("%s did not come: %v", want, err)
			case strings.HasPrefix(got, want):
				return
			case got != "WATCHDOG=1" && want != "WATCHDOG=1":
				t.Fatalf("%q came instead of %s", got, want)
			}
		}
	}
}
