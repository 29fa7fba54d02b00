package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// storeArgs serves a store in a folder to everybody, with the server API.
func storeArgs(dir string) []string {
	return []string{"--open", "--listen", "127.0.0.1:0", "--api", "--api-key", storeKey, "--data", dir, "--shutdown-spread", "0s"}
}

// stop ends a server as a service manager does.
func (r *running) stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if code := r.awaitExit(); code != 0 {
		r.t.Fatalf("webim serve ended with %d", code)
	}
}

// command runs a command of webim that must succeed, and returns what it prints.
func command(t *testing.T, program string, args ...string) string {
	t.Helper()
	e := runExactly(t, program, nil, args...)
	if e.code != 0 || e.errs != "" {
		t.Fatalf("webim %s: %+v", strings.Join(args, " "), e)
	}
	return e.out
}

// testErase erases users while a server uses the folder, and while none does.
func testErase(t *testing.T, program string) {
	dir := filepath.Join(t.TempDir(), "store")
	r := launch(t, program, nil, storeArgs(dir)...)
	for _, user := range []string{"ann", "bob", "cy"} {
		r.call("publish", `{"channel":"r","data":{"text":"said by `+user+`"},"user":"`+user+`"}`)
	}
	has := func(r *running, want string) {
		t.Helper()
		got := r.call("history", `{"channel":"r","limit":100}`)
		for _, user := range []string{"ann", "bob", "cy"} {
			if is := strings.Contains(got, "said by "+user); is != strings.Contains(want, user) {
				t.Errorf("the history with %q: %s", want, got)
			}
		}
	}
	has(r, "ann bob cy")
	if out := command(t, program, "erase", "ann", "--data", dir); out != "erased: the user ann\n" {
		t.Error(out)
	}
	r.awaitLog("a user was erased")
	has(r, "bob cy")
	r.stop()
	command(t, program, "erase", "--data", dir, "bob")
	has(launch(t, program, nil, storeArgs(dir)...), "cy")

	for _, c := range []struct{ args, want string }{
		{"erase ann", "there is no place for messages"},
		{"erase ann --engine memory", "the engine is memory, which has no store outside of the process: use the server API."},
		{"erase ann --data " + filepath.Join(dir, "none"), "there is no store in the folder"},
		{"erase --data " + dir, "expected \"<user>\""},
	} {
		if e := runExactly(t, program, nil, strings.Fields(c.args)...); e.code != 2 || !strings.Contains(e.errs, c.want) {
			t.Errorf("webim %s: %+v", c.args, e)
		}
	}
	if e := runExactly(t, program, nil, "erase", "", "--data", dir); e.code != 2 || !strings.Contains(e.errs, "the name of the user is empty") {
		t.Errorf("webim erase without a name: %+v", e)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a command has made a folder: %v", err)
	}
}

// testBackup makes backups of a store in use and of one that is not, and restores one after a user was erased.
func testBackup(t *testing.T, program string) {
	folder := t.TempDir()
	dir, first, second, keys := filepath.Join(folder, "store"), filepath.Join(folder, "first"), filepath.Join(folder, "second"), filepath.Join(folder, "keys")
	r := launch(t, program, nil, storeArgs(dir)...)
	say := func(user, text string) {
		r.call("publish", `{"channel":"r","data":{"text":"`+text+`"},"user":"`+user+`"}`)
	}
	has := func(want ...string) {
		t.Helper()
		got := r.call("history", `{"channel":"r","limit":100}`)
		for _, text := range []string{"one", "two", "three"} {
			if is := strings.Contains(got, `"`+text+`"`); is != slices.Contains(want, text) {
				t.Errorf("the history with %q: %s", want, got)
			}
		}
	}
	say("ann", "one")
	say("bob", "two")
	if out := command(t, program, "backup", first, "--keys", keys, "--data", dir); out != "backup: "+first+"\n" {
		t.Error(out)
	}
	if e := runExactly(t, program, nil, "restore", first, "--data", dir); e.code != 1 || !strings.Contains(e.errs, "a store in use cannot be restored") {
		t.Errorf("%+v", e)
	}
	command(t, program, "erase", "ann", "--data", dir)
	say("bob", "three")
	r.stop()
	command(t, program, "backup", second, "--data", dir)
	if out := command(t, program, "restore", first, "--keys", keys, "--data", dir); !strings.Contains(out, "users erased since: 1") {
		t.Error(out)
	}
	r = launch(t, program, nil, storeArgs(dir)...)
	has("two")
	r.stop()
	command(t, program, "restore", second, "--data", dir)
	r = launch(t, program, nil, storeArgs(dir)...)
	has("two", "three")
	r.stop()
	dir = filepath.Join(folder, "new")
	command(t, program, "restore", first, "--keys", keys, "--data", dir)
	r = launch(t, program, nil, storeArgs(dir)...)
	has("one", "two")
	r.stop()

	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"backup " + first + " --data " + dir, "is not empty", 1},
		{"backup " + dir + "/x --data " + dir, "the backup would be in the folder of the store", 2},
		{"backup " + folder + "/third --keys " + folder + "/third/keys --data " + dir, "the keys file would be in the backup", 2},
		{"restore " + dir + " --data " + dir, "there is no complete backup", 1},
		{"restore " + first + " --keys " + first + "/erased.jsonl --data " + dir, "is no keys file", 1},
	} {
		if e := runExactly(t, program, nil, strings.Fields(c.args)...); e.code != c.code || !strings.Contains(e.errs, c.want) {
			t.Errorf("webim %s: %+v", c.args, e)
		}
	}
	r = launch(t, program, nil, storeArgs(dir)...) // what was refused has changed nothing
	has("one", "two")
	fresh := filepath.Join(t.TempDir(), "fresh")
	for _, wrong := range [][]string{{filepath.Join(dir, "none")}, {t.TempDir()}} {
		if e := runExactly(t, program, nil, append([]string{"restore", "--data", fresh}, wrong...)...); e.code == 0 {
			t.Errorf("webim restore %q: %+v", wrong, e)
		}
		if _, err := os.Stat(fresh); !os.IsNotExist(err) {
			t.Errorf("webim restore %q has made a store: %v", wrong, err)
		}
	}
}

// testExport exports a room with an edit, a reaction and a text that was deleted, and imports it into another
// store. What comes out of that is the same, with the times and authors.
func testExport(t *testing.T, program string) {
	folder := t.TempDir()
	dir, file := filepath.Join(folder, "store"), filepath.Join(folder, "export.jsonl")
	r := launch(t, program, nil, storeArgs(dir)...)
	for i, text := range []string{"first", "second", "third"} {
		r.call("publish", fmt.Sprintf(`{"channel":"r","data":{"text":%q},"user":"u%d","info":{"name":"N"}}`, text, i))
		r.call("publish", fmt.Sprintf(`{"channel":"other","data":{"text":%q},"user":"u0"}`, text))
	}
	all := command(t, program, "export", "--data", dir)
	if n := strings.Count(all, "\n"); n != 7 || !strings.HasPrefix(all, `{"webim":"export","format":1,`) {
		t.Errorf("%d lines: %s", n, all)
	}
	if one := command(t, program, "export", "--user", "u0", "--data", dir); strings.Count(one, "\n") != 5 || strings.Contains(one, `"u1"`) {
		t.Errorf("of a user: %s", one)
	} else if e := importing(t, program, one, dir); e.code != 1 || !strings.Contains(e.errs, "this is the export of a user") {
		t.Errorf("%+v", e)
	}
	one := command(t, program, "export", "--room", "r", "--data", dir)
	r.stop()
	if offline := command(t, program, "export", "--room", "r", "--data", dir); withoutHeader(offline) != withoutHeader(one) {
		t.Errorf("while webim does not run: %s", offline)
	}
	// An edit, an answer and a reaction, as the chat has them.
	one += `{"room":"r","offset":90,"time":"2026-01-02T03:04:05Z","user":"u0","client":"c","data":{"text":"edited"},"tags":{"event":"edit","of":"1"}}` + "\n" +
		`{"room":"r","offset":91,"time":"2026-01-02T03:04:06Z","user":"u1","client":"c","data":{"text":"answer"},"tags":{"reply":"90","id":"x"}}` + "\n" +
		`{"room":"r","offset":92,"time":"2026-01-02T03:04:07Z","text":"plain <text>"}` + "\n"
	if err := os.WriteFile(file, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(folder, "to")
	launch(t, program, nil, storeArgs(to)...).stop() // makes the store
	if out := command(t, program, "import", file, "--data", to); out != "imported: 6 messages and events in 1 rooms\n" {
		t.Error(out)
	}
	back := command(t, program, "export", "--data", to)
	for _, part := range []string{`"text":"first"`, `"conn_info":{"name":"N"}`, `"time":"2026-01-02T03:04:06Z"`, `"tags":{"event":"edit","of":"1"}`, `"tags":{"id":"x","reply":"4"}`, `"text":"plain <text>"`} {
		if !strings.Contains(back, part) {
			t.Errorf("%s is missing in %s", part, back)
		}
	}
	for _, c := range []struct{ in, want string }{
		{one, "has messages, and nothing of it was imported"}, {"no export", "this is no export of webim"},
		{`{"webim":"export","format":2}`, "the export has the format 2"}, {`{"webim":"export","format":1} {"room":"x","offset":1,"data":1}`, "line 2: it has no time"},
		{`{"webim":"export","format":1} {"room":"","time":"2026-01-02T03:04:06Z","data":1}`, "is no name of a room"},
	} {
		if e := importing(t, program, c.in, to); e.code != 1 || !strings.Contains(e.errs, c.want) {
			t.Errorf("%.40s: %+v, want %s", c.in, e, c.want)
		}
	}
	if again := command(t, program, "export", "--data", to); withoutHeader(again) != withoutHeader(back) {
		t.Errorf("what was refused has changed something: %s", again)
	}
}

func withoutHeader(export string) string {
	_, lines, _ := strings.Cut(export, "\n")
	return lines
}

// importing runs webim import with an export as its input.
func importing(t *testing.T, program, export, dir string) ended {
	t.Helper()
	file := tempFile(t, "export.jsonl", export)
	return runExactly(t, program, nil, "import", file, "--data", dir)
}
