package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"webim/netpoll/wstest"
)

const (
	linesReloaded   = "the settings are reloaded"
	linesWaits      = "a reload waits for the end of the upgrade"
	settings        = "open: true\nengine: memory\n"
	settingsChanged = settings + "rate_join: none\n"
)

// hangUp sends SIGHUP to the process that serves.
func (m *moving) hangUp() {
	m.t.Helper()
	if err := syscall.Kill(m.pid, syscall.SIGHUP); err != nil {
		m.t.Error(err)
	}
}

// awaitReload waits for the first reload, which must have read settingsChanged.
func (m *moving) awaitReload() {
	m.t.Helper()
	if line := m.await(linesReloaded, 0); line["by"] != "SIGHUP" || !strings.HasPrefix(line["changed"].(string), "rate_join (") {
		m.t.Errorf("the reload: %v", line)
	}
}

// testUpgradeReload checks that a SIGHUP during an upgrade is not lost, whether the upgrade is rolled back or the new process has read
// its settings before, and that webim reload is refused meanwhile.
func testUpgradeReload(t *testing.T, program string) {
	t.Run("rolled_back", func(t *testing.T) {
		dir := t.TempDir()
		path, file, key, gate := filepath.Join(dir, "webim"), filepath.Join(dir, "webim.yaml"), filepath.Join(dir, "key"), filepath.Join(dir, "gate")
		linkInPlace(t, path, program)
		putInPlace(t, file, settings)
		putInPlace(t, key, "0123456789abcdef0123456789abcdef")
		if err := unix.Mkfifo(gate, 0o600); err != nil {
			t.Fatal(err)
		}
		internal := "unix:" + filepath.Join(dir, "internal")
		m := startMoving(t, path, "--config", file, "--internal", internal, "--api-key-file", key)
		putInPlace(t, path, "#!/bin/sh\nread x < '"+gate+"'\n")
		m.signalUpgrade()
		m.await("an upgrade begins", 0)
		putInPlace(t, file, settingsChanged)
		m.hangUp()
		m.await(linesWaits, 0)
		out, err := exec.Command(program, "reload", "--config", file, "--internal", internal, "--api-key-file", key).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "an upgrade is under way already") {
			t.Errorf("webim reload: %s, %v", out, err)
		}
		m.await("a reload is refused", 0)
		putThrough(t, gate, "\n")
		m.await(linesRolledBack, 0)
		m.awaitReload()
	})
	t.Run("read_before", func(t *testing.T) {
		dir := t.TempDir()
		path, file := filepath.Join(dir, "webim"), filepath.Join(dir, "webim.yaml")
		linkInPlace(t, path, program)
		putInPlace(t, file, settings)
		m := startMoving(t, path, "--config", file)
		b := placeBetween(t, path, program, m.pid, func(_ *between, msg []byte, _ []int) bool {
			if msg[0] == steps["hello"] {
				putInPlace(t, file, settingsChanged)
				m.hangUp()
				m.await(linesWaits, 0)
			}
			return true
		})
		m.signalUpgrade()
		if err := b.run(); err != nil {
			t.Fatal(err)
		}
		m.pid = int(m.await(linesUpgraded, 0)["pid"].(float64))
		m.awaitReload()
	})
}

// testInPlaceReload checks that a SIGHUP is not lost that comes while the program in place of the old one reads its settings, or before
// it turns out that the stand-in serves on.
func testInPlaceReload(t *testing.T, program string) {
	t.Run("while_it_reads", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "webim.yaml")
		if err := unix.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		go func() { // Eventually is for the goroutine of the test
			if f, err := os.OpenFile(file, os.O_WRONLY, 0); err == nil {
				_, _ = f.WriteString(settings)
				f.Close()
			}
		}()
		m := startMoving(t, program, "--config", file, "--upgrade-by", "exec")
		m.signalUpgrade()
		putThrough(t, file, settings) // for the stand-in
		m.await("another process stands in while this one gets the new program", 0)
		openThrough(t, file, func(f *os.File) { // the new program reads it
			m.hangUp()
			_, _ = f.WriteString(settings)
		})
		m.await(linesInPlace, 0)
		putThrough(t, file, settingsChanged)
		m.awaitReload()
	})
	t.Run("halfway", func(t *testing.T) {
		dir := t.TempDir()
		path, file := filepath.Join(dir, "webim"), filepath.Join(dir, "webim.yaml")
		linkInPlace(t, path, program)
		putInPlace(t, file, settings)
		m := startMoving(t, path, "--config", file, "--upgrade-by", "exec")
		// The stand-in reads the file by itself, and finds the new settings only when it is told to: the new program changes the file, and fails.
		putInPlace(t, file+".next", settingsChanged)
		putInPlace(t, path, "#!/bin/sh\nif test -n \"$WEBIM_UPGRADE_RETURN\"; then kill -HUP $$; mv '"+file+".next' '"+file+"'; set -- \"$@\" --max-queue 1GiB --max-queued 1KiB; fi\nexec '"+program+"' \"$@\"\n")
		m.signalUpgrade()
		standIn := int(m.await("another process stands in while this one gets the new program", 0)["pid"].(float64))
		defer syscall.Kill(standIn, syscall.SIGKILL)
		m.await("the process before this one cannot take everything back, so this one serves in its place", 0)
		m.awaitReload()
	})
}

// putThrough writes a text into a pipe when somebody reads it.
func putThrough(t *testing.T, path, text string) {
	t.Helper()
	openThrough(t, path, func(f *os.File) { _, _ = f.WriteString(text) })
}

// openThrough calls f when somebody reads a pipe.
func openThrough(t *testing.T, path string, f func(*os.File)) {
	t.Helper()
	wstest.Eventually(t, "somebody reads "+path, func() bool {
		file, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		defer file.Close()
		f(file)
		return true
	})
}
