package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"webim/cmd/webim/internal/testargs"
)

// TestProgram runs the real program as its users do: in a process of its own,
// with flags, variables and files, ended by signals.
func TestProgram(t *testing.T) {
	t.Parallel()
	program := buildWebim(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, string)
	}{
		{"WrongSettings", testWrongSettings},
		{"CannotServe", testCannotServe},
		{"Check", testCheck},
		{"Version", testVersion},
		{"Health", testHealth},
		{"Log", testLog},
		{"UnixSocket", testUnixSocket},
		{"Signals", testSignals},
		{"SecondSignal", testSecondSignal},
		{"AtTheLimit", testAtTheLimit},
		{"OutOfFiles", testOutOfFiles},
		{"Draining", testDraining},
		{"DrainDelay", testDrainDelay},
		{"ReconnectSlope", testReconnectSlope},
		{"CertificateReload", testCertificateReload},
		{"ServiceManager", testServiceManager},
		{"Init", testInit},
		{"Store", testStore},
		{"WhereMessagesGo", testWhereMessagesGo},
		{"Erase", testErase},
		{"Backup", testBackup},
		{"Export", testExport},
		{"NATSAccess", testNATSAccess},
		{"WrongNATS", testWrongNATS},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, program)
		})
	}
}

// ended is the end of a child: its exit code and its output.
type ended struct {
	out, errs string
	code      int
}

// runWebim is runExactly; serve and check get an engine, see testargs.Complete.
func runWebim(t *testing.T, program string, vars []string, args ...string) ended {
	t.Helper()
	return runExactly(t, program, vars, testargs.Complete(args)...)
}

// runExactly runs a child to its end. Its environment is vars, and a variable that turns off the second
// of sleep with which the race detector ends a program.
func runExactly(t *testing.T, program string, vars []string, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append([]string{"GORACE=atexit_sleep_ms=0"}, vars...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("webim %s: %v, %v\n%s", strings.Join(args, " "), err, ctx.Err(), errs.String())
	}
	return ended{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func tempFile(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// testWrongSettings is TestWrongSettings for a process instead of the function run.
func testWrongSettings(t *testing.T, program string) {
	for _, c := range []struct {
		args, env string
		want      string
	}{
		{"", "", `expected one of "serve", "check", "erase", "backup", "restore", ...; webim --help lists the commands, webim serve --help the flags.`},
		{"serve --max-conns many", "", `--max-conns: "many" is not a whole number: write digits only, or auto.`},
		{"serve", "WEBIM_MAX_QUEUE=1MB", `WEBIM_MAX_QUEUE: "1MB" is not a size: write bytes as 65536, 64KiB or 1MiB.`},
		{"check --api --api-key short", "", `--api-key has 5 bytes and can be guessed`},
	} {
		e := runWebim(t, program, strings.Fields(c.env), append([]string(nil), strings.Fields(c.args)...)...)
		if e.code != 2 || e.out != "" || !strings.HasPrefix(e.errs, "webim: "+c.want) || strings.Count(e.errs, "\n") != 1 {
			t.Errorf("webim %s, %s: exit code %d, standard output %q and\n%swant 2, nothing and\nwebim: %s", c.args, c.env, e.code, e.out, e.errs, c.want)
		}
	}
}

// testCannotServe checks that webim exits with code 1 if the machine cannot fulfil valid settings.
func testCannotServe(t *testing.T, program string) {
	first := launch(t, program, nil, "--open", "--listen", "127.0.0.1:0")
	addr := first.addrs[0]
	for _, c := range []struct{ args, want string }{
		{"--dev --listen " + addr, "cannot listen on " + addr + ": address already in use; another program listens there, perhaps another webim: stop it, or choose another address."},
		{"--listen 192.0.2.1:0", "cannot listen on 192.0.2.1:0: cannot assign requested address; this machine does not have that address: choose one that it has."},
		{"--dev --listen 127.0.0.1:0 --internal " + addr, "cannot listen on " + addr + ": address already in use; another program listens there, perhaps another webim: stop it, or choose another address."},
		{"--listen unix:/no/such/folder", "cannot listen on unix:/no/such/folder: no such file or directory; choose a path in a folder that exists and that this user may write to."},
	} {
		e := runWebim(t, program, nil, append([]string{"serve", "--log-level", "error"}, strings.Fields(c.args)...)...)
		if e.code != 1 || e.out != "" || e.errs != "webim: "+c.want+"\n" {
			t.Errorf("%s: exit code %d, standard output %q and\n%swant 1, nothing and\nwebim: %s", c.args, e.code, e.out, e.errs, c.want)
		}
	}
	dial(t, "tcp", addr).echo("the first is unharmed")
}

var comments = regexp.MustCompile(` #.*`)

// testCheck checks that the output of check is a file that makes the same configuration.
func testCheck(t *testing.T, program string) {
	file := tempFile(t, "webim.yaml", "max_conns: 100 # a few\nlog_format: json\nallow_origin:\n  - https://a.example\n  - \"null\"\nmax_queue: 512KiB\nloops: 2\n")
	rooms := tempFile(t, "rooms.yaml", `rooms:
  - match: "team-*" # first
    history: 1000
    history_age: 1h
    recover: true
    allow:
      join: user
      read: [user]
      send: [member, moderator]
      ban: nobody
  - {match: 7, binary: true}
`)
	for _, c := range []struct {
		args, env []string
		want      []string
	}{
		{want: []string{"dev: false # default", `listen: [":9501"] # default`, "tls_listen: [] # default", "shutdown_spread: 2s # default",
			"max_members: none # default", "max_message: 1MiB # default", "message_timeout: 2m # default", "high_water: auto # default, here 128KiB", "max_publication: auto # default, here 256KiB", "history_bytes: 1MiB # default"}},
		{args: []string{"--dev"}, want: []string{"dev: true # flag", `tls_listen: ["localhost:9502"] # default`, `internal: "127.0.0.1:9500" # default`, "# api_key is not printed # default", "shutdown_spread: 200ms # default"}},
		{args: []string{"--config", file, "--max-queue", "2MiB", "--no-deflate"}, env: []string{"WEBIM_LOOPS=3", "WEBIM_MAX_QUEUE=3MiB", "WEBIM_PORT=tcp://10.0.0.1:9501"},
			want: []string{"max_conns: 100 # file", "log_format: json # file", `allow_origin: ["https://a.example", "null"] # file`,
				"rooms: [] # default", "max_queue: 2MiB # flag", "loops: 3 # env", "deflate: false # flag", "# warning: the variable WEBIM_PORT matches no setting and is ignored"}},
		{args: []string{"--config", rooms}, want: []string{"rooms: # file", `  - match: "team-*"`, "    history: 1000", "    history_bytes: 1MiB",
			"    recover: true", "    allow: {join: [user], read: [user], send: [member, moderator], ban: [nobody]}", `  - match: "7"`, "    history: none", "    binary: true", "    allow: {}"}},
		{env: []string{"WEBIM_CONFIG=" + file, "WEBIM_LISTEN=127.0.0.1:1,unix:/tmp/a \"b\".sock", "WEBIM_PING_INTERVAL=none", "WEBIM_LOOPS="},
			want: []string{`listen: ["127.0.0.1:1", "unix:/tmp/a \"b\".sock"] # env`, "ping_interval: none # env", "loops: 2 # file"}},
	} {
		first := runWebim(t, program, c.env, append([]string{"check"}, c.args...)...)
		if first.code != 0 || first.errs != "" {
			t.Errorf("check %q %q: exit code %d, %s", c.args, c.env, first.code, first.errs)
			continue
		}
		for _, line := range c.want {
			if !strings.Contains("\n"+first.out, "\n"+line+"\n") {
				t.Errorf("check %q %q: no line %q in\n%s", c.args, c.env, line, first.out)
			}
		}
		again := runExactly(t, program, nil, "check", "--config", tempFile(t, "again.yaml", first.out))
		settings, _, _ := strings.Cut(comments.ReplaceAllString(first.out, ""), "# memory")
		if got, _, _ := strings.Cut(comments.ReplaceAllString(again.out, ""), "# memory"); got != settings || again.code != 0 {
			t.Errorf("check %q %q printed\n%sand of this file\n%s%s", c.args, c.env, settings, got, again.errs)
		}
	}
}

func testVersion(t *testing.T, program string) {
	if e := runWebim(t, program, nil, "version"); !strings.HasPrefix(e.out, "webim 0.") || e.errs != "" || e.code != 0 {
		t.Errorf("%+v", e)
	}
	if e := runWebim(t, program, nil, "serve", "--help"); e.code != 0 || e.errs != "" || !strings.Contains(e.out, "--max-conns=N") {
		t.Errorf("help: %+v", e)
	}
}
