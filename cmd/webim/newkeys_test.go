package main

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/netpoll/wstest"
)

// TestReloadOnlyKey checks that webim reload works when the only API key has changed, or the rights that it lacks; that a key of the
// new settings opens nothing else before the reload, nor a reload without the right; and that the old key is then refused.
func TestReloadOnlyKey(t *testing.T) {
	addr, other := wstest.FreeAddr(t).String(), strings.ToUpper(longSecret)
	key := write(t, "key", longSecret)
	file := write(t, "webim.yaml", "open: true\nmetrics_open: false\ninternal: "+addr+"\napi_key_file: [ops="+key+"]\nengine: memory\n")
	r := startProgramOf(t, file, "--listen", "127.0.0.1:0", "--shutdown-spread", "0s")
	defer r.running(t)()
	change := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	status := func(method, path, secret string) int {
		status, _ := ask(t, r.inner.addr, method, path, secret, "")
		return status
	}
	post := func(secret string) int { return status("POST", "/reload", secret) }

	change(key, other)
	if status := status("GET", "/metrics", other); status != 401 {
		t.Errorf("before the reload, the new key gets %d from /metrics", status)
	}
	if status := post("neither " + longSecret); status != 401 {
		t.Errorf("a key that is nowhere gets %d", status)
	}
	change(file, string(settings)+"api_key_rights: [ops=metrics]\n")
	if status := post(other); status != 403 {
		t.Errorf("a new key without the right gets %d", status)
	}
	change(file, string(settings)+"no such: thing\n")
	if status := post(other); status != 401 {
		t.Errorf("while the settings have a mistake, the new key gets %d", status)
	}
	change(file, string(settings))
	if code, out, errs := webim("", nil, "reload", "--config", file); code != 0 || out != "the settings are reloaded: api_key_file (new contents) have changed\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if status := post(longSecret); status != 401 {
		t.Errorf("after the reload, the old key gets %d", status)
	}
	if status := post(other); status != 200 {
		t.Errorf("after the reload, the new key gets %d", status)
	}
	change(file, string(settings)+"api_key_rights: [ops=metrics]\n")
	if status := post(other); status != 200 {
		t.Errorf("the reload that takes the right away gets %d", status)
	}
	change(file, string(settings)+"api_key_rights: [ops=reload]\n")
	if code, out, errs := webim("", nil, "reload", "--config", file); code != 0 || !strings.Contains(out, "api_key_rights (ops=metrics → ops=reload) have changed") {
		t.Errorf("%d %q %q", code, out, errs)
	}
}

// TestNewKeyLooks checks that a client without a key cannot make the server read its settings all the time.
func TestNewKeyLooks(t *testing.T) {
	file := write(t, "webim.yaml", "open: true\ninternal: 127.0.0.1:9500\napi_key: "+longSecret+"\n")
	c, err := config.Load(new(config.Settings), nil, nil, file)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := &newKeys{cfg: c, began: time.Now()}
		for i := range newKeyLooks.N {
			for _, secret := range []string{"no key", ""} {
				if key, busy := n.find(secret); key != nil || busy {
					t.Errorf("try %d of %q: %v, %v", i, secret, key, busy)
				}
			}
		}
		if key, busy := n.find(longSecret); key != nil || !busy {
			t.Error("the settings are read once more")
		}
		time.Sleep(time.Second) // of the bubble
		if key, _ := n.find(longSecret); key == nil || key.Secret != longSecret {
			t.Error("a second later, they are not read")
		}
	})
}
