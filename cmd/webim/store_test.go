package main_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const storeKey = "a key of sixteen bytes or more"

// call calls the server API, which must not answer with an error.
func (r *running) call(method, data string) string {
	r.t.Helper()
	body := r.try(method, data)
	if strings.HasPrefix(body, `{"error"`) {
		r.t.Fatalf("%s: %s", method, body)
	}
	return body
}

// try calls the server API.
func (r *running) try(method, data string) string {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+r.addrs[0]+"/api/"+method, bytes.NewReader([]byte(data)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("X-API-Key", storeKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s %s %v", method, res.Status, body, err)
	}
	return string(body)
}

// testStore checks that nothing is lost when the program is killed, whatever was acknowledged; and who may
// use a folder.
func testStore(t *testing.T, program string) {
	folder := filepath.Join(t.TempDir(), "store")
	for _, sync := range []string{"1s", "always"} {
		t.Run(sync, func(t *testing.T) {
			dir := folder + sync
			args := []string{"--open", "--listen", "127.0.0.1:0", "--api", "--api-key", storeKey, "--data", dir, "--sync", sync}
			epoch := ""
			for round := range 3 {
				r := launch(t, program, nil, args...)
				if e := runWebim(t, program, nil, "serve", "--log-level", "error", "--listen", "127.0.0.1:0", "--data", dir); e.code != 1 || !strings.Contains(e.errs, dir) || strings.Count(e.errs, "\n") != 1 {
					t.Errorf("a second webim on the folder: %+v", e)
				}
				got := r.call("history", `{"channel":"r","limit":100}`)
				for i := range round * 10 {
					if !strings.Contains(got, fmt.Sprintf(`"text":"message %d"`, i)) {
						t.Errorf("round %d: message %d is lost: %s", round, i, got)
					}
				}
				_, is, _ := strings.Cut(got, `"epoch":"`)
				is, _, _ = strings.Cut(is, `"`)
				if round > 0 && is != epoch || is == "" {
					t.Errorf("round %d: epoch %q, was %q", round, is, epoch)
				}
				epoch = is
				for i := range 10 {
					r.call("publish", fmt.Sprintf(`{"channel":"r","data":{"text":"message %d"}}`, round*10+i))
				}
				r.kill()
			}
		})
	}
}

// testWhereMessagesGo checks how the engine is chosen.
func testWhereMessagesGo(t *testing.T, program string) {
	folder := t.TempDir()
	for _, c := range []struct {
		args []string
		env  string
		line string // the log has it
		errs string // or it ends with this
	}{
		{args: nil, errs: "there is no place for messages: add --data DIR, which keeps them in a folder, or --engine memory, which loses them when webim ends."},
		{args: []string{"--engine", "embedded"}, errs: "--engine needs a folder: add --data DIR."},
		{args: []string{"--engine", "nats"}, errs: "--engine needs the address of a server: add --nats URL."},
		{args: []string{"--nats", "nats://127.0.0.1:1", "--nats-cert", "x"}, errs: "--nats-cert is given without a key: add --nats-key FILE."},
		{args: []string{"--nats", "nats://127.0.0.1:1", "--nats-creds", "/no/file"}, errs: "--nats-creds: the file cannot be used: open /no/file: no such file or directory."},
		{args: []string{"--dev"}, line: "the engine is memory: messages, members of rooms, bans and the rest are lost when webim ends"},
		{args: []string{"--engine", "memory"}, line: "the engine is memory: messages, members of rooms, bans and the rest are lost when webim ends"},
		{args: []string{"--dev", "--data", filepath.Join(folder, "a")}, line: "the store is open"},
		{args: []string{"--data", filepath.Join(folder, "b")}, line: "the store is open"},
		{env: "STATE_DIRECTORY=" + filepath.Join(folder, "c"), line: "the store is open"},
		{args: []string{"--engine", "memory", "--data", filepath.Join(folder, "d")}, line: "--data has no effect, because the engine is memory"},
	} {
		args := append([]string{"--listen", "127.0.0.1:0"}, c.args...)
		if c.errs != "" {
			if e := runExactly(t, program, nil, append([]string{"serve"}, args...)...); e.code != 2 || e.errs != "webim: "+c.errs+"\n" {
				t.Errorf("%q: exit code %d, %s", c.args, e.code, e.errs)
			}
			continue
		}
		if c.env != "" {
			args = append(args, "--engine", "auto") // as without the flag
		}
		launch(t, program, []string{"env", cmp.Or(c.env, "STATE_DIRECTORY=")}, args...).awaitLog(c.line)
	}
	if _, err := os.Stat(filepath.Join(folder, "d")); !os.IsNotExist(err) {
		t.Errorf("a folder that is not used was made: %v", err)
	}
}
