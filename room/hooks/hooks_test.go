package hooks

import (
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/wire"
)

func TestHookConnect(t *testing.T) {
	b := newBackend(t)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect), Timeout: wstest.Patience}, room.Config{})
	for _, c := range []struct{ name, answer, want string }{
		{"yes", `{"result":{"user":"42","info":{"name":"N"},"data":{"hello":1},"channels":["news"],"subs":{"extra":{"data":{"x":1}}}}}`,
			`connect {"hello":1} extra={"x":1} news=`},
		{"yes, without a name", `{"result":{"user":""}}`, `connect `},
		{"no", `{"error":{"code":1000,"message":"not you"}}`, `error 1000 not you`},
		{"no, without words", `{"error":{"code":103}}`, `error 103 permission denied`},
		{"not now", `{"error":{"code":1000,"message":"not yet","temporary":true}}`, `error 1000 not yet, try again`},
		{"never", `{"disconnect":{"code":4500,"reason":"go away"}}`, `closed: 4500 go away`},
		{"a guest, which nobody else can make", `{"result":{"user":"guest:x"}}`, `closed: 3500 invalid token`},
		{"over", `{"result":{"user":"42","expire_at":1}}`, `error 110 expired`},
		{"nothing", `{}`, `error 100 internal server error`},
		{"garbage", `<html>`, `error 100 internal server error`},
		{"no user", `{"result":{"user":7}}`, `error 100 internal server error`},
		{"a bad disconnect", `{"disconnect":{"code":1000}}`, `error 100 internal server error`},
		{"a bad error", `{"error":{}}`, `error 100 internal server error`},
		{"a bad channel", `{"result":{"user":"42","channels":["\u0000"]}}`, `error 100 internal server error`},
	} {
		for _, encoding := range []string{wire.SubprotocolJSON, wire.SubprotocolProtobuf} {
			b.on("/connect", c.answer)
			_, r := n.come(encoding, &protocol.ConnectRequest{Name: "js", Version: "1", Data: []byte(`{"a":1}`)})
			kind := map[string]string{wire.SubprotocolJSON: `"encoding":"json","name":"js","protocol":"json"`, wire.SubprotocolProtobuf: `"encoding":"json","name":"js","protocol":"protobuf"`}
			if got, want := b.next(t), `/connect {"data":{"a":1},`+kind[encoding]+`,"transport":"websocket","version":"1"}`; got != want {
				t.Errorf("%s: asked %s, want %s", c.name, got, want)
			}
			got := told(r)
			if r.Error != nil && r.Error.Temporary && r.Error.Code != 100 {
				got += ", try again"
			}
			if got != c.want {
				t.Errorf("%s: told %s, want %s", c.name, got, c.want)
			}
		}
	}
}

// told formats a reply to connect as the table above does.
func told(r *protocol.Reply) string {
	switch {
	case r.Error != nil && r.Error.Code == 0:
		return r.Error.Message
	case r.Error != nil:
		return fmt.Sprint("error ", r.Error.Code, " ", r.Error.Message)
	}
	s := "connect " + string(r.Connect.Data)
	for _, name := range []string{"extra", "news"} {
		if sub := r.Connect.Subs[name]; sub != nil {
			s += " " + name + "=" + string(sub.Data)
		}
	}
	return s
}

// TestHookSilence checks every way in which a backend can fail to reply: it keeps clients out for a
// while, or, if Open is set, counts as no hook.
func TestHookSilence(t *testing.T) {
	b := newBackend(t)
	elsewhere := newBackend(t)
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	for _, c := range []struct {
		name string
		do   func(w http.ResponseWriter, body string)
	}{
		{"status 500", func(w http.ResponseWriter, _ string) {
			w.WriteHeader(500)
			io.WriteString(w, `{"result":{"user":"42"}}`)
		}},
		{"a redirect", func(w http.ResponseWriter, _ string) {
			w.Header().Set("Location", elsewhere.URL+"/connect")
			w.WriteHeader(307)
		}},
		{"an endless answer", func(w http.ResponseWriter, _ string) {
			io.WriteString(w, `{"result":{"user":"`+strings.Repeat("x", 2<<20)+`"}}`)
		}},
		{"an endless head", func(w http.ResponseWriter, _ string) {
			w.Header().Set("X-Trace", strings.Repeat("x", 2*maxAnswerHead))
			io.WriteString(w, `{"result":{"user":"42"}}`)
		}},
		{"an answer in drops", func(w http.ResponseWriter, _ string) {
			for out := http.NewResponseController(w); ; {
				if _, err := io.WriteString(w, " "); err != nil || out.Flush() != nil {
					return
				}
				select {
				case <-hold:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}},
		{"another type", func(w http.ResponseWriter, _ string) { io.WriteString(w, `{"result":{"user":42}}`) }},
		{"a page", func(w http.ResponseWriter, _ string) { io.WriteString(w, `<html>{"result":{"user":"42"}}</html>`) }},
		{"a compressed answer", func(w http.ResponseWriter, _ string) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, `{"result":{"user":"42"}}`)
			z.Close()
		}},
		{"a cut", func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }},
		{"no end", func(http.ResponseWriter, string) { <-hold }},
	} {
		for _, open := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " open ", open), func(t *testing.T) {
				hc := Config{URLs: urls(b.URL, backend.HookConnect), Timeout: 200 * time.Millisecond}
				hc.Open[backend.HookConnect] = open
				n := startHooked(t, hc, room.Config{Anonymous: true})
				b.do("/connect", c.do)
				_, r := n.come("", &protocol.ConnectRequest{})
				want := "error 100 internal server error"
				if open {
					want = "connect "
				}
				if got := told(r); got != want || !open && !r.Error.Temporary {
					t.Errorf("told %s, want %s", got, want)
				}
			})
		}
	}
}

func TestHookSubscribeAndPublish(t *testing.T) {
	b := newBackend(t)
	b.on("/connect", `{"result":{"user":"42","meta":{"m":1}}}`)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookSubscribe, backend.HookPublish), Rooms: []string{"hooked*"}, Timeout: wstest.Patience}, room.Config{})
	c, _ := n.come("", &protocol.ConnectRequest{})
	b.next(t)
	ask := func(cmd *protocol.Command) *protocol.Reply {
		t.Helper()
		c.command(cmd)
		defer c.Wait()()
		for {
			if r := c.next(); r.Id == cmd.Id {
				return r
			}
		}
	}
	subscribe := func(id uint32, name string) *protocol.Reply {
		t.Helper()
		return ask(&protocol.Command{Id: id, Subscribe: &protocol.SubscribeRequest{Channel: name, Data: []byte(`{"d":1}`)}})
	}
	// If no hook exists for a room, the rights decide, and they allow nothing.
	if r := subscribe(2, "other"); r.Error == nil || r.Error.Code != 103 {
		t.Errorf("another room: %v", r)
	}
	b.on("/subscribe", `{"error":{"code":777,"message":"no"}}`)
	if r := subscribe(3, "hooked"); r.Error == nil || r.Error.Code != 777 || r.Error.Message != "no" {
		t.Errorf("refused: %v", r)
	}
	if got, want := b.next(t), `/subscribe {"channel":"hooked","data":{"d":1},"encoding":"json","meta":{"m":1},"protocol":"json","transport":"websocket","user":"42"}`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	b.on("/subscribe", `{"result":{"expire_at":1}}`)
	if r := subscribe(10, "hooked"); r.Error == nil || r.Error.Code != 110 {
		t.Errorf("over: %v", r)
	}
	b.next(t)
	b.on("/subscribe", `{"result":{"data":{"welcome":1},"info":{"color":"red"}}}`)
	if r := subscribe(4, "hooked"); r.Error != nil || string(r.Subscribe.Data) != `{"welcome":1}` {
		t.Errorf("permitted: %v", r)
	}
	b.next(t)
	if r := subscribe(5, "#41"); r.Error == nil || r.Error.Code != 103 {
		t.Errorf("somebody else's own room: %v", r)
	}

	publish := func(id uint32, data string) *protocol.Reply {
		t.Helper()
		return ask(&protocol.Command{Id: id, Publish: &protocol.PublishRequest{Channel: "hooked", Data: []byte(data)}})
	}
	b.on("/publish", `{"result":{"data":{"text":"censored"}}}`)
	if r := publish(6, `{"text":"rude"}`); r.Error != nil {
		t.Errorf("replaced: %v", r)
	}
	if got, want := b.next(t), `/publish {"channel":"hooked","data":{"text":"rude"},"encoding":"json","meta":{"m":1},"protocol":"json","transport":"websocket","user":"42"}`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	b.on("/publish", `{"error":{"code":500,"message":"no"}}`)
	if r := publish(7, `{"text":"rude"}`); r.Error == nil || r.Error.Code != 500 {
		t.Errorf("refused: %v", r)
	}
	// A mute still holds if the hook accepts.
	done := make(chan error, 1)
	n.hub.Impose(moderation.Sanction{Table: engine.TableMute, Room: "hooked", Who: "42"}, nil, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.on("/publish", `{"result":{}}`)
	if r := publish(8, `{"text":"still here"}`); r.Error == nil || r.Error.Code != uint32(wire.ErrMuted) {
		t.Errorf("muted: %v", r)
	}
	var texts []string
	n.hub.History("hooked", room.HistoryQuery{Limit: -1}, func(h engine.History, _ error) {
		for _, p := range h.Publications {
			texts = append(texts, string(p.Data))
		}
	})
	if got := strings.Join(texts, " "); got != `{"text":"censored"} {}` { // with the event of the mute
		t.Errorf("the room has %s", got)
	}
	b.on("/subscribe", `{"disconnect":{"code":4501,"reason":"enough"}}`)
	c.command(&protocol.Command{Id: 9, Subscribe: &protocol.SubscribeRequest{Channel: "hooked2"}})
	if got := c.closing(); got != "closed: 4501 enough" {
		t.Errorf("sent away: %s", got)
	}
}

func TestHookRPC(t *testing.T) {
	b := newBackend(t)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookRPC), Timeout: wstest.Patience}, room.Config{Anonymous: true})
	for _, encoding := range []string{wire.SubprotocolJSON, wire.SubprotocolProtobuf} {
		c, _ := n.come(encoding, &protocol.ConnectRequest{})
		b.on("/rpc", `{"result":{"data":{"sum":3}}}`)
		c.command(&protocol.Command{Id: 2, Rpc: &protocol.RPCRequest{Method: "add", Data: []byte(`[1,2]`)}})
		if r := c.next(); r.Rpc == nil || string(r.Rpc.Data) != `{"sum":3}` {
			t.Errorf("%s: %v", encoding, r)
		}
		if got := b.next(t); !strings.Contains(got, `"data":[1,2]`) || !strings.Contains(got, `"method":"add"`) {
			t.Errorf("asked %s", got)
		}
		b.on("/rpc", `{"error":{"code":404,"message":"what?"}}`)
		c.command(&protocol.Command{Id: 3, Rpc: &protocol.RPCRequest{Method: "none"}})
		if r := c.next(); r.Error == nil || r.Error.Code != 404 || r.Error.Message != "what?" {
			t.Errorf("%s: %v", encoding, r)
		}
		b.next(t)
	}
	// Data that is not JSON, which Protobuf may carry, goes in base64 in both directions.
	c, _ := n.come(wire.SubprotocolProtobuf, &protocol.ConnectRequest{})
	b.on("/rpc", `{"result":{"b64data":"WzFd"}}`)
	c.command(&protocol.Command{Id: 2, Rpc: &protocol.RPCRequest{Method: "add", Data: []byte{0, 255}}})
	if r := c.next(); r.Rpc == nil || string(r.Rpc.Data) != `[1]` {
		t.Errorf("bytes: %v", r)
	}
	if got, want := b.next(t), `/rpc {"b64data":"AP8=","encoding":"binary","method":"add","protocol":"protobuf","transport":"websocket"}`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
}

// TestHookRefresh checks that the refresh hook is called when the time of a connection ends that
// the backend accepted, without the grace that clients with a token get. The client is not told,
// because it has nothing to refresh.
func TestHookRefresh(t *testing.T) {
	b := newBackend(t)
	b.do("/connect", func(w http.ResponseWriter, _ string) {
		fmt.Fprintf(w, `{"result":{"user":"42","expire_at":%d}}`, time.Now().Unix()+2) // +1 could be over at once
	})
	b.do("/refresh", func(w http.ResponseWriter, _ string) {
		fmt.Fprintf(w, `{"result":{"expire_at":%d}}`, time.Now().Unix()+2)
		b.on("/refresh", `{"result":{"expired":true}}`)
	})
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookRefresh), Timeout: wstest.Patience}, room.Config{})
	c, r := n.come("", &protocol.ConnectRequest{})
	if r.Connect == nil || r.Connect.Expires || r.Connect.Ttl != 0 {
		t.Errorf("the reply: %v", r)
	}
	b.next(t)
	want := `/refresh {"encoding":"json","protocol":"json","transport":"websocket","user":"42"}`
	if got := b.next(t); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if r := c.next(); r.Push == nil || r.Push.Refresh == nil || r.Push.Refresh.Expires || r.Push.Refresh.Ttl != 0 {
		t.Errorf("told %v", r)
	}
	if got := b.next(t); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if got := c.closing(); got != "closed: 3005 connection expired" {
		t.Errorf("expired: %s", got)
	}
}

// TestHookRefreshIsAskedAgain checks that the refresh hook is called again, for a while, if the
// backend does not reply.
func TestHookRefreshIsAskedAgain(t *testing.T) {
	b := newBackend(t)
	b.do("/refresh", func(w http.ResponseWriter, _ string) {
		w.WriteHeader(503)
		b.on("/refresh", `{"result":{}}`)
	})
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookRefresh), Timeout: wstest.Patience}, room.Config{})
	var c *client
	soon(t, func(expireAt int64) bool {
		b.on("/connect", fmt.Sprintf(`{"result":{"user":"42","expire_at":%d}}`, expireAt))
		var r *protocol.Reply
		c, r = n.come("", &protocol.ConnectRequest{})
		b.next(t)
		return r.Connect != nil
	})
	for range 2 {
		b.next(t)
	}
	if r := c.next(); r.Push == nil || r.Push.Refresh == nil || r.Push.Refresh.Expires {
		t.Errorf("told %v", r)
	}
}

// TestHookExpiry checks that a connection that nobody refreshes is closed in time with a code after
// which clients reconnect, and that a subscription that the backend allowed ends likewise.
func TestHookExpiry(t *testing.T) {
	b := newBackend(t)
	b.on("/connect", `{"result":{"user":"42"}}`)
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookConnect, backend.HookSubscribe), Timeout: wstest.Patience}, room.Config{})
	c, _ := n.come("", &protocol.ConnectRequest{})
	soon(t, func(expireAt int64) bool {
		b.on("/subscribe", fmt.Sprintf(`{"result":{"expire_at":%d}}`, expireAt))
		c.command(&protocol.Command{Id: 2, Subscribe: &protocol.SubscribeRequest{Channel: "r"}})
		r := c.next()
		if r.Error.GetCode() == uint32(wire.ErrExpired) {
			return false
		}
		if r.Subscribe == nil || r.Subscribe.Expires || r.Subscribe.Ttl != 0 {
			t.Errorf("the reply: %v", r)
		}
		return true
	})
	if r := c.next(); r.Push == nil || r.Push.Unsubscribe.GetCode() != 2501 {
		t.Errorf("told %v", r)
	}
	soon(t, func(expireAt int64) bool {
		b.on("/connect", fmt.Sprintf(`{"result":{"user":"42","expire_at":%d}}`, expireAt))
		var r *protocol.Reply
		c, r = n.come("", &protocol.ConnectRequest{})
		return r.Connect != nil
	})
	if got := c.closing(); got != "closed: 3005 connection expired" {
		t.Errorf("expired: %s", got)
	}
}

// TestHookDisconnect checks that each closed connection causes one notice, signed, and repeated if
// necessary.
func TestHookDisconnect(t *testing.T) {
	b := newBackend(t)
	const secret = "a secret that the backend knows, too"
	tries := 0
	b.do("/disconnect", func(w http.ResponseWriter, _ string) {
		if tries++; tries == 1 {
			w.WriteHeader(503)
		}
	})
	hc := Config{URLs: urls(b.URL, backend.HookDisconnect), Timeout: wstest.Patience, Secret: secret}
	n := startHooked(t, hc, room.Config{Anonymous: true, Options: policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}.Options})
	c, _ := n.come("", &protocol.ConnectRequest{})
	c.command(&protocol.Command{Id: 2, Subscribe: &protocol.SubscribeRequest{Channel: "r"}})
	if r := c.next(); r.Subscribe == nil {
		t.Fatalf("subscribe: %+v", r)
	}
	n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlDisconnect, To: engine.Target{Client: clientOf(n)}, Code: 4600, Reason: "over"}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	const want = `/disconnect {"channels":["r"],"code":4600,"reason":"over","transport":"websocket","user":""}`
	for range 2 {
		raw := <-b.asked
		b.asked <- raw
		_, body, _ := strings.Cut(raw, " ")
		if got := b.next(t); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		signature := (<-b.header).Get(SignatureHeader)
		at, sum, _ := strings.Cut(strings.TrimPrefix(signature, "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(secret))
		io.WriteString(mac, at+"."+body)
		if sum != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signature %q", signature)
		}
	}
}

// clientOf returns the id of the only connection in the room r.
func clientOf(n *node) (id string) {
	n.hub.Engine().Members("r", 10, func(all []engine.Author, _ error) { id = all[0].Client })
	return id
}

// TestHooksAndPlain checks that a plain client is refused in a room with a hook, because it could
// not wait for the reply.
func TestHooksAndPlain(t *testing.T) {
	b := newBackend(t)
	open := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}}.Options
	n := startHooked(t, Config{URLs: urls(b.URL, backend.HookSubscribe), Rooms: []string{"hooked"}}, room.Config{Anonymous: true, Options: open})
	for path, want := range map[string]int{"/hooked": 403, "/other": 101} {
		r, err := http.NewRequest(http.MethodGet, "http://"+n.ws+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
			r.Header.Set(name, value)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}
