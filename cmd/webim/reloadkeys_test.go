package main

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/live"
)

// keptAlive asks the internal address of a program over one connection.
type keptAlive struct {
	t      *testing.T
	p      *program
	client http.Client
	asked  bool
}

func (k *keptAlive) ask(method, path, key string) int {
	k.t.Helper()
	r, err := http.NewRequest(method, "http://"+k.p.inner.addr.String()+path, strings.NewReader(hello))
	if err != nil {
		k.t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused != k.asked {
			k.t.Errorf("%s %s: the connection is reused: %v", method, path, info.Reused)
		}
	}}
	answer, err := k.client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil {
		k.t.Fatal(err)
	}
	k.asked = true
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode
}

// expect checks the status of each address for operators and backends.
func (k *keptAlive) expect(key string, publish, metrics int) {
	k.t.Helper()
	if got := k.ask("POST", "/api/publish", key); got != publish {
		k.t.Errorf("publish with the key %q: %d, want %d", key, got, publish)
	}
	if got := k.ask("GET", "/metrics", key); got != metrics {
		k.t.Errorf("metrics with the key %q: %d, want %d", key, got, metrics)
	}
}

// reloadAPIKeys checks that from a reload on only the new keys and rights open the API, the paths for operators and the live
// picture, also on connections that are open.
func reloadAPIKeys(t *testing.T) *reloading {
	const first, second, third = "the first secret of a key", "the second secret of a key", "the third secret of a key"
	file := write(t, "key", first)
	settings := "open: true\ninternal: 127.0.0.1:0\n"
	r := startReloading(t, settings+"api_key_file: [ci="+file+"]\n")
	k := &keptAlive{t: t, p: r.program, client: http.Client{Transport: &http.Transport{}, Timeout: wstest.Patience}}
	defer k.client.CloseIdleConnections()
	feed := func(key string) *client {
		t.Helper()
		c, status := dialFeed(t, r.inner.addr, live.FeedPath, "")
		if c == nil {
			t.Fatalf("the feed: %d", status)
		}
		c.say(`{"key":"` + key + `"}`)
		return c
	}
	k.expect(first, 200, 200)
	watcher := feed(first)
	watcher.text()
	r.says(r.reload(settings+"api_key_file: [ci="+file+"]\n"), "nothing has changed")
	k.expect(first, 200, 200)

	if err := os.WriteFile(file, []byte(second), 0o600); err != nil {
		t.Fatal(err)
	}
	r.says(r.reload(settings+"api_key_file: [ci="+file+"]\n"), "api_key_file (new contents) have changed")
	k.expect(first, 401, 401)
	k.expect(second, 200, 200)
	if got := watcher.Rest(true); !strings.HasSuffix(got, "close 4403, eof") {
		t.Errorf("the watcher with the old key gets %s", got)
	}
	feed(first).ExpectClose(int(live.CodeDenied))
	if got := feed(second).text(); !strings.HasPrefix(got, `{"hello":{`) {
		t.Errorf("a watcher with the new key gets %s", got)
	}

	r.says(r.reload(settings+"api_key: "+third+"\napi_key_file: [ci="+file+"]\napi_key_rights: [ci=metrics]\n"), "api_key (not shown), api_key_rights (none → ci=metrics) have changed")
	k.expect(first, 401, 401)
	k.expect(second, 403, 200)
	k.expect(third, 200, 200)
	feed(second).ExpectClose(int(live.CodeDenied))

	r.says(r.reload(settings+"token_secret_file: "+write(t, "secret", longSecret)+"\nmetrics_open: true\n"), "api_key (not shown), api_key_file (ci="+file+" → none), api_key_rights (ci=metrics → none), metrics_open (false → true), token_secret_file (none → ")
	k.expect(third, 404, 200)
	k.expect("", 404, 200)
	r.says(r.reload(settings+"api_key: "+third+"\n"), "api_key (not shown), metrics_open (true → false), token_secret_file (")
	k.expect(third, 200, 200)
	k.expect("", 401, 401)
	return r
}

// reloadAPI checks that a reload changes where the API is served, and under which names.
func reloadAPI(t *testing.T) *reloading {
	settings := "open: true\ninternal: 127.0.0.1:0\napi_key: " + picturesKey + "\n"
	r := startReloading(t, settings)
	outside := func(want int) {
		t.Helper()
		if got, _ := ask(t, r.plain[0], "GET", "/api/openapi.json", picturesKey, ""); got != want {
			t.Errorf("outside: %d, want %d", got, want)
		}
	}
	named := func(want int) {
		t.Helper()
		q, err := http.NewRequest("POST", "http://"+r.inner.addr.String()+"/api/info", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		q.Host = "chat.example.com"
		q.Header.Set("X-API-Key", picturesKey)
		answer, err := (&http.Client{Timeout: wstest.Patience, Transport: &http.Transport{DisableKeepAlives: true}}).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("under a name: %d, want %d", answer.StatusCode, want)
		}
	}
	outside(404)
	named(421)
	r.says(r.reload(settings+"api: true\napi_host: [chat.example.com]\n"), "api (false → true), api_host (none → chat.example.com) have changed")
	outside(200)
	named(200)
	r.says(r.reload(settings), "api (true → false), api_host (chat.example.com → none) have changed")
	outside(404)
	named(421)
	return r
}

// TestReloadMadeKey checks that the key that --dev has made stays.
func TestReloadMadeKey(t *testing.T) {
	r := startReloading(t, "dev: true\n", "--internal", "127.0.0.1:0")
	key := r.APIKeys[0].Secret
	r.says(r.reload("dev: true\nlog_level: debug\n"), "reloaded: log_level (info → debug) have changed")
	if status, body := ask(t, r.inner.addr, "POST", "/api/info", key, "{}"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}
