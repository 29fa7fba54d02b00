package live

import (
	"cmp"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/token"
)

// Only a key or an operator's token permits watching.
func TestWhoMayWatch(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	now := time.Now()
	bearer := func(c token.Claims) string { return `{"token":"` + n.token(c) + `"}` }
	for name, c := range map[string]struct {
		say  string
		want ws.StatusCode // 0 means accepted
	}{
		"a key":                      {`{"key":"` + key + `"}`, 0},
		"another key":                {`{"key":"another key"}`, 0},
		"a wrong key":                {`{"key":"a key"}`, CodeDenied},
		"a key and more":             {`{"key":"` + key + `!"}`, CodeDenied},
		"an empty key":               {`{"key":""}`, CodeDenied},
		"a key of one method":        {`{"key":"a limited key"}`, CodeDenied},
		"a key of all methods":       {`{"key":"a wide key"}`, CodeDenied}, // has rights, but not all of them
		"a key in capitals":          {`{"key":"` + strings.ToUpper(key) + `"}`, CodeDenied},
		"a key and a blank":          {`{"key":"` + key + ` "}`, CodeDenied},
		"a key with its scheme":      {`{"key":"apikey ` + key + `"}`, CodeDenied},
		"an admin":                   {bearer(token.Claims{User: "ann", Roles: []string{"admin"}}), 0},
		"a moderator":                {bearer(token.Claims{User: "ann", Roles: []string{"moderator"}, Expires: now.Add(time.Hour).Unix()}), 0},
		"a moderator of some rooms":  {bearer(token.Claims{User: "ann", Roles: []string{"moderator@team-*"}}), CodeDenied},
		"another role":               {bearer(token.Claims{User: "ann", Roles: []string{"boss"}}), CodeDenied},
		"a user":                     {bearer(token.Claims{User: "ann"}), CodeDenied},
		"a moderator of yesterday":   {bearer(token.Claims{User: "ann", Roles: []string{"moderator"}, Expires: now.Add(-time.Hour).Unix()}), CodeDenied},
		"a key as a token":           {`{"token":"` + key + `"}`, CodeDenied},
		"an empty token":             {`{"token":""}`, CodeDenied},
		"a subscription's token":     {bearer(token.Claims{User: "ann", Roles: []string{"admin"}, Channel: "lobby"}), CodeDenied},
		"a quest":                    {`{"find":{"user":"ann"}}`, CodeBadRequest},
		"both":                       {`{"key":"` + key + `","token":"x"}`, CodeBadRequest},
		"a key and a quest":          {`{"key":"` + key + `","find":{"user":"ann"}}`, CodeBadRequest},
		"a key twice":                {`{"key":"x","key":"` + key + `"}`, CodeBadRequest},
		"a key of another type":      {`{"key":["` + key + `"]}`, CodeBadRequest},
		"null":                       {`{"key":null}`, CodeBadRequest},
		"nothing":                    {`{}`, CodeBadRequest},
		"no JSON":                    {key, CodeBadRequest},
		"a field that nobody knows":  {`{"key":"` + key + `","as":"root"}`, CodeBadRequest},
		"more than any token may be": {`{"token":"` + strings.Repeat("x", maxRequest) + `"}`, CodeBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			w := n.dial(n.feeds, FeedPath)
			w.t = t
			w.say("%s", c.say)
			if c.want != 0 {
				if got := w.closed(); got != c.want {
					t.Errorf("closed with %d, want %d", got, c.want)
				}
				return
			}
			if m := w.read(); m.Hello == nil || m.Hello.Node != n.hub.Node() || m.Hello.Version != "test" || m.Hello.Every != 10 || m.Hello.Methods == nil {
				t.Errorf("greeted with %+v", m.Hello)
			}
			w.next("figures", func(m message) bool { return m.Now != nil })
			w.say(`{"key":%q}`, key) // a second authentication is refused
			if got := w.closed(); got != CodeBadRequest {
				t.Errorf("closed with %d", got)
			}
		})
	}
	w := n.dial(n.feeds, FeedPath)
	w.Send(0x82, `{"key":"`+key+`"}`)
	if got := w.closed(); got != CodeBadRequest {
		t.Errorf("bytes: closed with %d", got)
	}
}

// Guessed keys do not fill the log, and none of them is in it.
func TestGuessing(t *testing.T) {
	log := new(wstest.Log)
	n := start(t, Config{Logger: slog.New(slog.NewTextHandler(log, nil))}, netpoll.Config{}, netpoll.Config{})
	began := time.Now()
	for i := range 100 {
		w := n.dial(n.feeds, FeedPath)
		w.say(`{"key":"guess %d"}`, i)
		if got := w.closed(); got != CodeDenied {
			t.Fatalf("closed with %d", got)
		}
	}
	told := strings.Count(log.String(), `msg="live: refused a watcher: the key is wrong"`)
	if most := int(time.Since(began)/ratelog.Every) + 1; told < 1 || told > most || strings.Contains(log.String(), "guess ") {
		t.Errorf("%d lines, want 1 to %d:\n%s", told, most, log)
	}
}

// Pages of other sites are refused, under any host name.
func TestHandshakes(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{CheckOrigin: netpoll.AnyOrigin})
	for _, c := range []struct {
		path, host, origin string
		want               int
	}{
		{FeedPath, "", "", 101},
		{FeedPath, "", "http://" + n.feeds, 101},
		{FeedPath, "localhost:9500", "http://localhost:9500", 101},
		{FeedPath, "inside.example.com", "https://inside.example.com", 101},
		{FeedPath, "evil.example", "", 421},
		{FeedPath, "evil.example", "http://evil.example", 421},
		{FeedPath, "inside.example.com.evil.example", "", 421},
		{FeedPath, "127.0.0.1.evil.example", "", 421},
		{FeedPath, "", "http://evil.example", 403},
		{FeedPath, "", "http://" + n.feeds + ".evil.example", 403},
		{FeedPath, "", "null", 403},
		{FeedPath, "localhost:9500", "http://localhost:9501", 403},
		{"/", "", "", 404},
		{"/live/feed/", "", "", 404},
		{"/live", "", "", 404},
		{"/connection/websocket", "", "", 404},
	} {
		headers := []string{"Host: " + cmp.Or(c.host, n.feeds)}
		if c.origin != "" {
			headers = append(headers, "Origin: "+c.origin)
		}
		if _, got := n.dialTo(n.feeds, c.path, headers...); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

// A connection that does not authenticate in time is closed; one that does is not.
func TestLate(t *testing.T) {
	n := start(t, Config{Timeout: 2 * time.Second}, netpoll.Config{}, netpoll.Config{})
	w, _ := n.watch()
	if got := n.dial(n.feeds, FeedPath).closed(); got != CodeLate {
		t.Errorf("closed with %d", got)
	}
	for range 10 {
		w.read()
	}
}

// waiting returns the number of unauthenticated connections.
func (n *node) waiting() int {
	n.feed.mu.Lock()
	defer n.feed.mu.Unlock()
	return n.feed.waiting.Len()
}

// Watchers and unauthenticated connections have separate limits: the latter need no key.
func TestTooManyWatchers(t *testing.T) {
	n := start(t, Config{MaxWatchers: 2}, netpoll.Config{}, netpoll.Config{})
	one, _ := n.watch()
	n.watch()
	third := n.dial(n.feeds, FeedPath)
	third.say(`{"key":%q}`, key)
	if got := third.closed(); got != CodeFull {
		t.Errorf("the third one: closed with %d", got)
	}
	one.read()
	_ = one.Conn.Close()
}

// Silent connections cannot keep an operator out: the oldest one gives way.
func TestSilentConnectionsGiveWay(t *testing.T) {
	n := start(t, Config{MaxWatchers: 3}, netpoll.Config{}, netpoll.Config{})
	var silent []*client
	for i := range 20 {
		silent = append(silent, n.dial(n.feeds, FeedPath))
		wstest.Eventually(t, "the connection is open", func() bool { return n.waiting() == min(i+1, 3) })
		if i >= 3 {
			if got := silent[i-3].closed(); got != CodeFull {
				t.Fatalf("connection %d: closed with %d", i-3, got)
			}
		}
	}
	w, _ := n.watch()
	w.next("figures", func(m message) bool { return m.Now != nil })
	if got := silent[17].closed(); got != CodeFull {
		t.Errorf("closed with %d", got)
	}
	if got := n.waiting(); got != 2 {
		t.Errorf("%d wait, want 2", got)
	}
}

// A user gets no more than its share of the watchers, and others still find slots.
func TestWatchersShares(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	come := func(user string) *client {
		w := n.dial(n.feeds, FeedPath)
		w.say(`{"token":%q}`, n.token(token.Claims{User: user, Roles: []string{"moderator"}}))
		return w
	}
	in := 0
	for ; in < 64; in++ {
		w := come("ann")
		op, payload, err := w.ReadMessage()
		n.must(err)
		if op == ws.OpClose {
			if code, _ := ws.ParseCloseFrameData(payload); code != CodeFull {
				t.Errorf("closed with %d, want %d", code, CodeFull)
			}
			break
		}
	}
	if in < 2 || in > 4 {
		t.Errorf("one user watches %d times of 64", in)
	}
	if m := come("bob").read(); m.Hello == nil {
		t.Errorf("another moderator is greeted with %+v", m)
	}
	n.watch() // with a key
}

// A watcher that searches too often waits, and still gets all answers.
func TestFindIsPaced(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	w, _ := n.watch()
	for range findRate.N + 1 {
		w.find(`{"user":"nobody"}`)
	}
	n.feed.mu.Lock()
	defer n.feed.mu.Unlock()
	for one := range n.feed.watchers {
		if used := one.finds.Used(findRate, 0); used < findRate.N {
			t.Errorf("%d questions are counted", used)
		}
	}
}

// A watcher that does not read is closed, and other watchers do not notice.
func TestWatcherThatDoesNotRead(t *testing.T) {
	n := start(t, Config{Every: time.Millisecond}, netpoll.Config{}, netpoll.Config{SendBuffer: 4096, MaxQueue: 16 << 10, WriteTimeout: -1})
	_ = n.dial(n.addr, "/a"+strings.Repeat(" long room's name", 6))
	reader, _ := n.watch()
	stuck, _ := n.watch()
	_ = stuck.Conn.(interface{ SetReadBuffer(int) error }).SetReadBuffer(4096)
	for n.inner.Stats().Closed[netpoll.Slow] == 0 {
		reader.read()
	}
	first := reader.next("figures", func(m message) bool { return m.Now != nil })
	reader.next("figures of later", func(m message) bool { return m.Now != nil && m.Now.At > first.Now.At })
}

// A later watcher receives the past of this watch. When all watchers have left, the past is
// cleared, and the counters are no longer read.
func TestPast(t *testing.T) {
	n := start(t, Config{Past: 5}, netpoll.Config{}, netpoll.Config{})
	one, past := n.watch()
	if len(past) != 0 {
		t.Errorf("nobody watched, and there is a past of %d", len(past))
	}
	var seen []int64
	for len(seen) < 8 {
		if m := one.read(); m.Now != nil {
			seen = append(seen, m.Now.At)
		}
	}
	two, past := n.watch()
	if len(past) != 5 {
		t.Fatalf("the past has %d figures, want the last 5", len(past))
	}
	if past[0].At < seen[2] {
		t.Errorf("the past begins at %d, and the figures were %v", past[0].At, seen)
	}
	if m := two.next("figures", func(m message) bool { return m.Now != nil }); m.Now.At <= past[4].At {
		t.Errorf("after %d comes %d", past[4].At, m.Now.At)
	}
	_, _ = one.Conn.Close(), two.Conn.Close()
	wstest.Eventually(t, "the past is forgotten", func() bool {
		n.feed.mu.Lock()
		defer n.feed.mu.Unlock()
		return len(n.feed.watchers) == 0 && n.feed.past == nil
	})
}

// A watcher is closed when its token is revoked or expires.
func TestTokenEnds(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{}, netpoll.Config{})
	for name, end := range map[string]func(){
		"revoked": func() {
			n.hub.Control().Send(engine.ControlMessage{Kind: engine.ControlRevoke, Token: "jti-revoked", Until: time.Now().Add(time.Hour)}, func(err error) { n.must(err) })
		},
		"expired": func() {},
	} {
		c := token.Claims{User: "ann", Roles: []string{"moderator"}, ID: "jti-" + name}
		if name == "expired" {
			c.Expires = time.Now().Add(4 * time.Second).Unix()
		}
		w := n.dial(n.feeds, FeedPath)
		w.say(`{"token":%q}`, n.token(c))
		w.next("figures", func(m message) bool { return m.Now != nil })
		end()
		if got := w.closed(); got != CodeEnded {
			t.Errorf("%s: closed with %d", name, got)
		}
	}
}
