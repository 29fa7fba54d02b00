package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"webim/netpoll/wstest"
)

// testInit writes a configuration, and serves with it: webim check has nothing to warn of, webim health finds the server by
// the same settings, and a token that is made with them opens it.
func testInit(t *testing.T, program string) {
	folder := filepath.Join(t.TempDir(), "etc")
	got := runExactly(t, program, nil, "init", "--data", filepath.Join(t.TempDir(), "data"), folder)
	file := filepath.Join(folder, "webim.yaml")
	if got.code != 0 || !strings.HasPrefix(got.out, file+"\n") || got.errs != "" {
		t.Fatalf("init: %d %s%s", got.code, got.out, got.errs)
	}
	if again := runExactly(t, program, nil, "init", folder); again.code != 1 || again.errs != "webim: "+file+" exists already, and nothing is overwritten: remove it, or choose another folder.\n" {
		t.Errorf("init again: %d %s", again.code, again.errs)
	}
	listen, internal := wstest.FreeAddr(t).String(), wstest.FreeAddr(t).String()
	vars := []string{"WEBIM_LISTEN=" + listen, "WEBIM_INTERNAL=" + internal, "WEBIM_CONFIG=" + file}
	checked := runExactly(t, program, vars, "check")
	if checked.code != 0 || strings.Contains(checked.out, "warning") {
		t.Errorf("check: %d %s%s", checked.code, checked.out, checked.errs)
	}
	text, _ := os.ReadFile(file)
	for _, key := range regexp.MustCompile(`(?m)^#? ?([a-z_]+): `).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(checked.out, "\n"+key[1]+": ") && key[1] != "dev" && key[1] != "rooms" {
			t.Errorf("the configuration names %s, which is no setting", key[1])
		}
	}
	health := func(args ...string) ended {
		return runExactly(t, program, vars, append([]string{"health"}, args...)...)
	}
	if got := health(); got.code != 1 || !strings.Contains(got.errs, "nobody answers on "+internal+": connection refused: start webim, or give this command the settings with which it runs.\n") {
		t.Errorf("health before: %d %s", got.code, got.errs)
	}
	r := launch(t, program, append([]string{"env"}, vars...), "--data", filepath.Join(t.TempDir(), "own"))
	if got := health(); got.code != 0 || got.out != "ok\n" {
		t.Errorf("health: %d %s%s", got.code, got.out, got.errs)
	}
	if got := health("--ready", "--wait", "30s"); got.code != 0 || got.out != `{"ready":true,"reasons":[]}`+"\n" {
		t.Errorf("ready: %d %s%s", got.code, got.out, got.errs)
	}
	if made := runExactly(t, program, vars, "token", "make", "--user", "ann"); made.code != 0 || strings.Count(made.out, ".") != 2 {
		t.Errorf("token make: %d %s%s", made.code, made.out, made.errs)
	}
	r.kill()
}

// TestUnit has systemd look at the unit, also at how much it leaves open.
func TestUnit(t *testing.T) {
	unit, err := os.ReadFile("deploy/webim.service")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "bin", "webim")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "webim.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(unit), "/usr/bin/webim", program)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// 0 is the best of 100, and a unit that says nothing has 96.
	if out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", file).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	for _, want := range []string{"Type=notify", "NotifyAccess=all", "KillMode=mixed", "Restart=on-failure", "WatchdogSec=", "LimitNOFILE=", "NoNewPrivileges=true", "ProtectSystem=strict"} {
		if !strings.Contains(string(unit), "\n"+want) {
			t.Errorf("the unit has no %s", want)
		}
	}
}
