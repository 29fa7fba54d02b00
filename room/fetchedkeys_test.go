package room_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/backend"
	"webim/room/token"
)

// unknownKey is a token of RS256 and kid "x": no key has it, so it is asked for.
const unknownKey = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"

// startFetchingKeys starts a node that fetches its keys from a server. The server sends to asked for each
// request. It answers, with no keys, once the test has called answer.
func startFetchingKeys(t *testing.T, c room.Config, nc netpoll.Config) (n *node, asked chan struct{}, answer func()) {
	t.Helper()
	asked, answered := make(chan struct{}, 100), make(chan struct{})
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-answered:
			w.Write([]byte(`{"keys":[]}`))
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(keys.Close)
	keys.Config.SetKeepAlivesEnabled(false) // the node counts descriptors at its end
	v, err := token.New(token.Config{JWKS: keys.URL, Retry: time.Second, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	v.Start()
	t.Cleanup(v.Close)
	c.Tokens = v
	return start(t, c, nc), asked, sync.OnceFunc(func() { close(answered) })
}

// While the key of a connect command is fetched, the commands behind it wait,
// in the same message or another.
func TestConnectWaitsForKeys(t *testing.T) {
	n, asked, answer := startFetchingKeys(t, room.Config{}, netpoll.Config{})
	c := n.chat()
	c.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n{\"id\":2,\"ping\":{}}", unknownKey)
	c.say(t, `{"id":3,"ping":{}}`)
	<-asked
	answer()
	if got := c.reply(t); got != "close 3500" && !strings.HasPrefix(got, `{"id":1,"error":{"code":100,`) {
		t.Errorf("a key that does not exist: %s", got)
	}
	c.Conn.Close()
}

// What waits behind connect commands is counted for all together, as other input
// that cannot be used yet, and bounded; who wants more than that is sent away.
func TestThreatBehindConnect(t *testing.T) {
	const size, most, count = 10_000, 105_000, 15
	n, asked, answer := startFetchingKeys(t, room.Config{}, netpoll.Config{MaxUnfinished: most})
	behind := `{"send":{"data":"` + strings.Repeat("x", size) + `"}}`
	<-asked
	var all []*client
	for range count {
		c := n.chat()
		c.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n%s", unknownKey, behind)
		all = append(all, c)
	}
	away := func() int64 { return n.s.Stats().Closed[netpoll.OutOfMemory] }
	wstest.Eventually(t, "all are judged", func() bool {
		st := n.s.Stats()
		return st.MessagesIn == count && st.WorkersBusy == 0 && away() >= count-most/size
	})
	if got := n.s.Stats().Unfinished; got > most || got < size {
		t.Errorf("%d bytes wait", got)
	}
	answer()
	sent := 0
	for _, c := range all {
		switch got := c.reply(t); {
		case got == "close 1013":
			sent++
		case got == "close 3500", strings.HasPrefix(got, `{"id":1,"error":{"code":100,`):
		default:
			t.Error(got)
		}
		c.Conn.Close()
	}
	// Those that hold most are sent away near the bound already, perhaps after we looked.
	if sent < count-most/size || sent > count-most/size*3/4 {
		t.Errorf("%d of %d were sent away with 1013", sent, count)
	}
	wstest.Eventually(t, "all of them are counted", func() bool { return away() == int64(sent) })
	wstest.Eventually(t, "nothing waits", func() bool { return n.s.Stats().Unfinished == 0 })
}

// What was answered in a message before it is heard before what had to wait.
func TestConnectWaitsBehindAnswers(t *testing.T) {
	v, sign := tokens(t)
	back := newAsked(backend.HookConnect)
	n := start(t, room.Config{Tokens: v, Backend: back}, netpoll.Config{})
	c := n.chat()
	c.say(t, "{\"id\":1,\"connect\":{\"token\":%q}}\n{\"id\":2,\"connect\":{}}\n{\"id\":3,\"ping\":{}}", sign(token.Claims{User: "ann"}, -time.Hour))
	if got := field(t, c.reply(t), "error", "code"); got != 109.0 {
		t.Errorf("an expired token: %v", got)
	}
	back.next(t).answer(backend.Reply{User: "bob"}, nil)
	if got := c.reply(t); field(t, got, "id") != 2.0 || field(t, got, "connect") == nil {
		t.Errorf("then %s", got)
	}
	if got := c.reply(t); field(t, got, "id") != 3.0 {
		t.Errorf("last %s", got)
	}
}
