package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"webim/room"
	"webim/room/apikey"
	"webim/room/engine"
	"webim/room/engine/memory"
)

// TestRefusals checks that an invalid HTTP request is refused by its status, before anything else
// is checked.
func TestRefusals(t *testing.T) {
	n := start(t, nil)
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("X-API-Key")
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	long := `{"channel":"r","data":"` + strings.Repeat("x", 64<<10) + `"}`
	for _, c := range []struct {
		name, verb, path, body string
		change                 func(*http.Request)
		status                 int
		code                   uint32 // 0: success
	}{
		{"the key", "POST", "/api/info", "{}", nil, 200, 0},
		{"the other key", "POST", "/api/info", "{}", set("X-API-Key", "another key"), 200, 0},
		{"Authorization", "POST", "/api/info", "{}", set("Authorization", "apikey "+key), 200, 0},
		{"Authorization in capitals", "POST", "/api/info", "{}", set("Authorization", "APIKEY  "+key), 200, 0},
		{"no key", "POST", "/api/info", "{}", set("X-Other", key), 401, 101},
		{"an empty key", "POST", "/api/info", "{}", set("X-API-Key", ""), 401, 101},
		{"a wrong key", "POST", "/api/info", "{}", set("X-API-Key", "wrong"), 401, 101},
		{"a part of the key", "POST", "/api/info", "{}", set("X-API-Key", key[:4]), 401, 101},
		{"a longer key", "POST", "/api/info", "{}", set("X-API-Key", key+"x"), 401, 101},
		{"both keys", "POST", "/api/info", "{}", set("X-API-Key", key+", another key"), 401, 101},
		{"the right one second", "POST", "/api/info", "{}", set("X-API-Key", "wrong", key), 401, 101},
		{"the right one first", "POST", "/api/info", "{}", set("X-API-Key", key, "wrong"), 401, 101},
		{"the same one twice", "POST", "/api/info", "{}", set("X-API-Key", key, key), 401, 101},
		{"two Authorizations", "POST", "/api/info", "{}", set("Authorization", "apikey "+key, "Bearer x"), 401, 101},
		{"blanks around it", "POST", "/api/info", "{}", set("X-API-Key", "  "+key+"\t"), 200, 0}, // RFC 9110, section 5.5
		{"a blank in it", "POST", "/api/info", "{}", set("X-API-Key", key[:4]+" "+key[4:]), 401, 101},
		{"a key in capitals", "POST", "/api/info", "{}", set("X-API-Key", strings.ToUpper(key)), 401, 101},
		{"its scheme without a blank", "POST", "/api/info", "{}", set("Authorization", "apikey:"+key), 401, 101},
		{"another scheme", "POST", "/api/info", "{}", set("Authorization", "Bearer "+key), 401, 101},
		{"a scheme alone", "POST", "/api/info", "{}", set("Authorization", "apikey"), 401, 101},
		{"a key in the address", "POST", "/api/info?api_key=" + url.QueryEscape(key), "{}", set("X-Other", key), 401, 101},
		{"an unknown method without a key", "POST", "/api/nothing", "{}", set("X-Other", key), 401, 101},
		{"an unknown method", "POST", "/api/nothing", "{}", nil, 404, 104},
		{"a method in capitals", "POST", "/api/Publish", "{}", nil, 404, 104},
		{"none", "POST", "/api/", "{}", nil, 404, 104},
		{"one below", "POST", "/api/publish/x", "{}", nil, 404, 104},
		{"below the older form", "POST", "/apis", "{}", nil, 404, 104},
		{"the older form without a key", "POST", "/api", "{}", set("X-Other", key), 401, 101},
		{"the older form, GET", "GET", "/api", "", nil, 405, 107},
		{"the older form, too long", "POST", "/api", long, nil, 413, 107},
		{"the older form, empty", "POST", "/api", "", nil, 200, 107},
		{"the older form, no method", "POST", "/api", "{}", nil, 200, 104},
		{"GET", "GET", "/api/info", "", nil, 405, 107},
		{"PUT", "PUT", "/api/info", "{}", nil, 405, 107},
		{"DELETE", "DELETE", "/api/history_remove", "{}", nil, 405, 107},
		{"PATCH without a key", "PATCH", "/api/info", "{}", set("X-Other", key), 401, 101},
		{"another method by a header", "GET", "/api/info", "", func(r *http.Request) { r.Header.Set("X-HTTP-Method-Override", "POST") }, 405, 107},
		{"a preflight", "OPTIONS", "/api/info", "", nil, 405, 107},
		{"localhost", "POST", "/api/info", "{}", host("localhost:9500"), 200, 0},
		{"IPv6", "POST", "/api/info", "{}", host("[::1]:9500"), 200, 0},
		{"IPv6 without a port", "POST", "/api/info", "{}", host("[::1]"), 200, 0},
		{"a host that is configured", "POST", "/api/info", "{}", host("Chat.example.com"), 200, 0},
		{"a foreign host", "POST", "/api/info", "{}", host("evil.example.com"), 421, 107},
		{"a foreign host for the description", "GET", "/api/openapi.json", "", host("evil.example.com"), 421, 107},
		{"a suffix", "POST", "/api/info", "{}", host("chat.example.com.evil.example"), 421, 107},
		{"too long", "POST", "/api/publish", long, nil, 413, 107},
		{"too long, in parts", "POST", "/api/publish", long, func(r *http.Request) { r.ContentLength = -1 }, 413, 107},
		{"the description without a key", "GET", "/api/openapi.json", "", set("X-Other", key), 200, 0},
		{"the description, sent to", "POST", "/api/openapi.json", "", nil, 405, 107},
	} {
		t.Run(c.name, func(t *testing.T) {
			n.t = t
			status, body := n.ask(c.verb, c.path, c.body, c.change)
			var got failure
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%v: %s", err, body)
			}
			if status != c.status || c.code == 0 != (got.Error == nil) || got.Error != nil && got.Error.Code != c.code {
				t.Errorf("status %d, %s", status, body)
			}
			if status == 421 && !strings.Contains(body, "add the name to api_host") {
				t.Errorf("the error does not say what to do: %s", body)
			}
		})
	}
}

// TestHeaders checks that pages of other sites cannot use the API, and that responses are not
// cached.
func TestHeaders(t *testing.T) {
	n := start(t, nil)
	for _, verb := range []string{"POST", "OPTIONS"} {
		r, _ := http.NewRequest(verb, n.http+"/api/info", nil)
		r.Header.Set("Origin", "https://evil.example.com")
		r.Header.Set("X-API-Key", key)
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		for name := range res.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", verb, name)
			}
		}
		if h := res.Header; h.Get("Content-Type") != "application/json" || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", h)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// errorCase is a call with its expected error.
type errorCase struct {
	method, body string
	code         uint32
	says         string // part of the message
}

func errorCases() []errorCase {
	deep := strings.Repeat("[", 51) + strings.Repeat("]", 51)
	long := strings.Repeat("x", 256)
	return []errorCase{
		{"publish", ``, 107, "channel is missing"},
		{"publish", `{}`, 107, "channel is missing"},
		{"publish", `{"channel":null,"data":1}`, 107, "channel is missing"},
		{"publish", `{"channel":"r"}`, 107, "data is missing"},
		{"publish", `{"channel":"r","data":1,"b64data":"MQ=="}`, 107, "data is set twice"},
		{"publish", `{"channel":"r","b64data":"%%"}`, 107, `"/b64data" has the wrong type`},
		{"publish", `{"channel":"r","b64data":"AAEC"}`, 107, "one JSON value"},
		{"publish", `{"channel":"r","data":` + deep + `}`, 107, "one JSON value"},
		{"publish", `{"channel":1,"data":1}`, 107, `"/channel" has the wrong type`},
		{"publish", `{"channel":["r"],"data":1}`, 107, `"/channel" has the wrong type`},
		{"publish", `{"channel":"r","data":1,"skip_history":"yes"}`, 107, `"/skip_history" has the wrong type`},
		{"publish", `{"channel":"r","data":1,"tags":{"a":1}}`, 107, `"/tags/a" has the wrong type`},
		{"publish", `{"channel":"r","data":1,"tags":["a"]}`, 107, `"/tags" has the wrong type`},
		{"publish", `{"channel":"r","data":1,"idempotency_kye":"k"}`, 107, `no field "/idempotency_kye"`},
		{"publish", `{"Channel":"r","data":1}`, 107, `no field "/Channel"`},
		{"publish", `{"channel":"r","channel":"s","data":1}`, 107, `"/channel" appears twice`},
		{"publish", `{"channel":"r","data":{"a":1,"a":2}}`, 107, `"/data/a" appears twice`},
		{"publish", `{"channel":"r","data":1,"idempotency_key":"` + long + `"}`, 107, "idempotency_key is longer"},
		{"publish", `{"channel":"` + long + `","data":1}`, 107, "256 bytes long"},
		{"publish", `{"channel":"a\u0000b","data":1}`, 107, "control characters"},
		{"publish", "{\"channel\":\"\xff\",\"data\":1}", 107, "not JSON"},
		{"publish", `{"channel":"r","data":1,"tags":` + manyTags() + `}`, 107, "more than 64 tags"},
		{"publish", `{"channel":"r","data":1}}`, 107, "not JSON"},
		{"publish", `{"channel":"r","data":1`, 107, "not JSON"},
		{"publish", `[]`, 107, "channel is missing"},
		{"publish", `"r"`, 107, "wrong type"},
		{"publish", `null`, 107, "channel is missing"},
		{"broadcast", `{"data":1}`, 107, "channels is missing"},
		{"broadcast", `{"channels":[],"data":1}`, 107, "channels is missing"},
		{"broadcast", `{"channels":["a","b","c","d","e"],"data":1}`, 107, "more than 4 channels"},
		{"broadcast", `{"channels":["a"]}`, 107, "data is missing"},
		{"broadcast", `{"channels":"a","data":1}`, 107, `"/channels" has the wrong type`},
		{"send", `{"data":1}`, 107, "user or client is missing"},
		{"send", `{"user":"ann"}`, 107, "data is missing"},
		{"send", `{"user":"ann","data":` + deep + `}`, 107, "one JSON value"},
		{"subscribe", `{"user":"ann"}`, 107, "channel is missing"},
		{"subscribe", `{"channel":"r"}`, 107, "user or client is missing"},
		{"subscribe", `{"channel":"a\nb","user":"ann"}`, 107, "control characters"},
		{"subscribe", `{"channel":"r","user":"ann","info":1,"b64info":"MQ=="}`, 107, "info is set twice"},
		{"subscribe", `{"channel":"r","user":"ann","data":1,"b64data":"MQ=="}`, 107, "data is set twice"},
		{"subscribe", `{"channel":"r","user":"ann","b64info":"AAEC"}`, 107, "one JSON value"},
		{"subscribe", `{"channel":"r","user":"ann","expire_at":"soon"}`, 107, `"/expire_at" has the wrong type`},
		{"subscribe", `{"channel":"r","user":"ann","expire_at":1.5}`, 107, `"/expire_at" has the wrong type`},
		{"subscribe", `{"channel":"r","user":"ann","recover_since":{"offset":-1}}`, 107, `"/recover_since/offset" has the wrong type`},
		{"subscribe", `{"channel":"r","user":"ann","override":{"presence":{"value":true}}}`, 108, "presence"},
		{"subscribe", `{"channel":"r","user":"ann","override":{"force_positioning":{"value":true},"force_recovery":{"value":false}}}`, 108, "go together"},
		{"unsubscribe", `{"channel":"r"}`, 107, "user or client is missing"},
		{"unsubscribe", `{"channel":"a\nb","user":"ann"}`, 107, "control characters"},
		{"disconnect", `{}`, 107, "user or client is missing"},
		{"disconnect", `{"user":"ann","disconnect":{"code":1000}}`, 107, "3000 to 4999"},
		{"disconnect", `{"user":"ann","disconnect":{"code":5000}}`, 107, "3000 to 4999"},
		{"disconnect", `{"user":"ann","disconnect":{"code":3000,"reason":"` + long + `"}}`, 107, "123 bytes"},
		{"disconnect", `{"user":"ann","whitelist":"x"}`, 107, `"/whitelist" has the wrong type`},
		{"refresh", `{"expired":true}`, 107, "user or client is missing"},
		{"refresh", `{"user":"ann","info":` + deep + `}`, 107, "one JSON value"},
		{"revoke", `{}`, 107, "either"},
		{"revoke", `{"user":"ann","uid":"x"}`, 107, "either"},
		{"revoke", `{"uid":"x","issued_before":1}`, 107, "issued_before"},
		{"history", `{}`, 107, "channel is missing"},
		{"history", `{"channel":"a\nb"}`, 107, "control characters"},
		{"history", `{"channel":"bare"}`, 108, ""},
		{"history", `{"channel":"r","since":{"offset":1,"epoch":"other"}}`, 112, ""},
		{"history", `{"channel":"r","limit":3000000000}`, 107, `"/limit" has the wrong type`},
		{"history_remove", `{}`, 107, "channel is missing"},
		{"history_remove", `{"channel":"bare"}`, 108, ""},
		{"presence", `{}`, 107, "channel is missing"},
		{"presence", `{"channel":"bare"}`, 108, ""},
		{"presence_stats", `{}`, 107, "channel is missing"},
		{"presence_stats", `{"channel":"bare"}`, 108, ""},
		{"channels", `{"pattern":1}`, 107, `"/pattern" has the wrong type`},
		{"info", `{"more":1}`, 107, `no field "/more"`},
		{"batch", `{"commands":{}}`, 107, `"/commands" has the wrong type`},
		{"batch", `{"commands":[` + strings.Repeat(`{},`, 20) + `{}]}`, 107, "more than 20 commands"},
	}
}

// TestErrors checks that a failed call has status 200 and an error of one sentence.
func TestErrors(t *testing.T) {
	n := start(t, nil)
	for _, c := range errorCases() {
		t.Run(c.method+" "+c.body[:min(len(c.body), 60)], func(t *testing.T) {
			n.t = t
			var got failure
			body := n.call(c.method, "%s", c.body)
			if err := json.Unmarshal([]byte(body), &got); err != nil || got.Error == nil {
				t.Fatalf("%v: %s", err, body)
			}
			if got.Error.Code != c.code || !strings.Contains(got.Error.Message, c.says) {
				t.Errorf("%s", body)
			}
		})
	}
}

func manyTags() string {
	tags := map[string]string{}
	for i := range uint64(65) {
		tags[itoa(i)] = ""
	}
	b, _ := json.Marshal(tags)
	return string(b)
}

// TestBusy checks that a room refuses messages if its members cannot keep up, and that the error is
// temporary.
func TestBusy(t *testing.T) {
	if got := errorOf(room.ErrBusy); got.Code != 111 {
		t.Errorf("%v", got)
	}
}

// TestTimeout checks that a call stops waiting for an engine that does not answer.
func TestTimeout(t *testing.T) {
	n := start(t, &mute{Engine: memory.New(memory.Limits{})})
	h, err := New(Config{Hub: n.hub, Guard: guardOf(t, apikey.Key{Name: "test", Secret: key}), Timeout: time.Millisecond, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, e := h.call(t.Context(), methods["publish"], []byte(`{"channel":"r","data":1}`), strict); e == nil || e.Code != 100 {
		t.Errorf("%v", e)
	}
}

// mute is an engine that never completes a publication.
type mute struct{ engine.Engine }

func (m *mute) Publish(string, engine.Message, func(engine.Position, error)) {}

func TestNew(t *testing.T) {
	hub := room.NewHub(room.Config{Engine: memory.New(memory.Limits{})})
	for _, c := range []Config{{Guard: guardOf(t, apikey.Key{Name: "test", Secret: key})}, {Hub: hub}} {
		if h, err := New(c); err == nil || h != nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
