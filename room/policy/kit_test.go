package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/room"
	"webim/room/api"
	"webim/room/chat"
	"webim/room/live"
	"webim/room/token"
)

// The kit: one server with all its doors, and the subjects that come to them.

// subject is a row's key, and how it comes.
type subject struct {
	name, user, role string
	caps             bool
	from             string
}

var subjects = []subject{
	{name: "nobody"}, {name: "ann", user: "ann"}, {name: "mo", user: "mo", role: "moderator"}, {name: "ad", user: "ad", role: "admin"},
	{name: "caps", user: "caps", caps: true}, {name: "banned mo", user: "bmo", role: "moderator"}, {name: "banned ad", user: "bad", role: "admin"},
	{name: "mo elsewhere", user: "mo2", role: "moderator", from: elsewhere}, {name: "banned caps", user: "bcaps", caps: true},
	{name: "muted", user: "mu"}, {name: "muted mo", user: "mumo", role: "moderator"},
}

// yes is a backend that says yes in the room hooked.
type yes struct{}

func (yes) Asks(k room.Hook, name string) bool {
	return name == "hooked" && (k == room.HookSubscribe || k == room.HookPublish)
}
func (yes) Ask(_ room.Inquiry, done func(room.Answer, error)) { go done(room.Answer{}, nil) }
func (yes) Left(room.Departure)                               {}
func (yes) Headers() []string                                 { return nil }

// doors are all ways into one server.
type doors struct {
	t                 *testing.T
	hub               *room.Hub
	main, feeds, http string
}

func open(t *testing.T) *doors {
	d := &doors{t: t}
	v, err := token.New(token.Config{Keys: []token.Key{{Secret: []byte(secret)}}})
	must(t, err)
	t.Cleanup(v.Close)
	options := func(r room.Rights) room.Options {
		return room.Options{History: room.Retention{Messages: 1000, Bytes: 1 << 20, Age: time.Hour}, Presence: true, Rights: r}
	}
	board, news := room.Rights{}, room.OpenRights()
	for a := range board {
		board[a] = room.RoleAdmin
	}
	news[room.ActSend] = room.RoleAdmin
	patterns := room.Patterns{{Match: "board", Options: options(board)}, {Match: "news", Options: options(news)}, {Match: "hooked", Options: options(room.Rights{})}, {Match: "*", Options: options(room.OpenRights())}}
	d.hub = room.NewHub(room.Config{Tokens: v, Revoked: &token.Revoked{}, Anonymous: true, Options: patterns.Options, Backend: yes{},
		Calls: chat.New(chat.Config{}), Rates: room.NoRates, UserRates: room.NoRates})
	quiet := slog.New(slog.DiscardHandler)
	handler, err := api.New(api.Config{Hub: d.hub, Keys: []api.Key{{Name: "test", Secret: apiKey}}, Logger: quiet})
	must(t, err)
	guard, err := api.NewGuard([]api.Key{{Name: "test", Secret: apiKey}}, nil)
	must(t, err)
	feed, err := live.New(live.Config{Hub: d.hub, Guard: guard, Version: "test", Every: 10 * time.Millisecond, Logger: quiet})
	must(t, err)
	servers := []*netpoll.Server{netpoll.New(netpoll.Config{PingInterval: -1, Logger: quiet}, d.hub), netpoll.New(netpoll.Config{PingInterval: -1, Logger: quiet}, feed)}
	d.hub.Start(servers[0])
	feed.Start(servers[0], servers[1])
	for i, addr := range []*string{&d.main, &d.feeds} {
		a, err := servers[i].Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
		must(t, err)
		*addr = a.String()
	}
	web := httptest.NewServer(handler)
	d.http = web.URL
	t.Cleanup(func() {
		web.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for _, s := range servers {
			if err := s.Shutdown(ctx, 0); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		d.hub.Stop()
	})
	for _, one := range table {
		for table, user := range map[string][]string{room.TableBan: {"bmo", "bad", "bcaps"}, room.TableBanIP: {elsewhere}, room.TableMute: {"mu", "mumo"}} {
			for _, who := range user {
				failed := make(chan error, 1)
				d.hub.Impose(room.Sanction{Table: table, Room: one.room, Who: who, Over: true}, nil, func(err error) { failed <- err })
				must(t, <-failed)
			}
		}
	}
	return d
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// token is the subject's; "" for nobody.
func (s subject) token(t *testing.T) string {
	if s.user == "" {
		return ""
	}
	claims := jwt.MapClaims{"sub": s.user}
	if s.role != "" {
		claims["role"] = s.role
	}
	if s.caps {
		claims["caps"] = []any{map[string]any{"channels": []string{"*"}, "match": "wildcard", "allow": []string{"sub", "pub", "hst", "prs"}}}
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	must(t, err)
	return text
}

func (s subject) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: patience}
	if s.from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(s.from)}
	}
	return d
}

// socket connects the subject by the protocol.
func (d *doors) socket(s subject, protobuf bool) *centrifuge.Client {
	d.t.Helper()
	cfg := centrifuge.Config{Token: s.token(d.t), NetDialContext: s.dialer().DialContext, ReadTimeout: patience, WriteTimeout: patience}
	newClient := centrifuge.NewJsonClient
	if protobuf {
		newClient = centrifuge.NewProtobufClient
	}
	c := newClient("ws://"+d.main+room.ChatPath, cfg)
	d.t.Cleanup(c.Close)
	in := make(chan string, 10)
	c.OnConnected(func(centrifuge.ConnectedEvent) { in <- "" })
	c.OnDisconnected(func(e centrifuge.DisconnectedEvent) { in <- e.Reason })
	must(d.t, c.Connect())
	select {
	case what := <-in:
		if what != "" {
			d.t.Fatalf("%s: %s", s.name, what)
		}
	case <-time.After(patience):
		d.t.Fatalf("%s does not connect", s.name)
	}
	return c
}

// letter is an error as the table has it.
func letter(err error) string {
	var e *centrifuge.Error
	switch {
	case err == nil:
		return "x"
	case !errors.As(err, &e):
		return err.Error()
	}
	return letterOf(int(e.Code))
}

func letterOf(code int) string {
	switch code {
	case 0:
		return "x"
	case 103:
		return "-"
	case 443:
		return "B"
	case 440:
		return "M"
	}
	return fmt.Sprint(code)
}

// join subscribes and leaves again.
func (d *doors) join(c *centrifuge.Client, name string) string {
	sub, err := c.NewSubscription(name)
	must(d.t, err)
	got := make(chan string, 10)
	sub.OnSubscribed(func(centrifuge.SubscribedEvent) { got <- "x" })
	sub.OnError(func(e centrifuge.SubscriptionErrorEvent) { got <- letter(unwrapped(e.Error)) })
	sub.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { got <- letterOf(int(e.Code)) })
	must(d.t, sub.Subscribe())
	answer := <-got
	if answer == "x" {
		must(d.t, sub.Unsubscribe())
	}
	_ = c.RemoveSubscription(sub)
	return answer
}

func unwrapped(err error) error {
	var sub centrifuge.SubscriptionSubscribeError
	if errors.As(err, &sub) {
		return sub.Err
	}
	return err
}

// call makes an RPC.
func (d *doors) call(c *centrifuge.Client, method, body string) string {
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	_, err := c.RPC(ctx, method, []byte(body))
	return letter(err)
}

// api asks the server API with the subject's token; "" is that the door is shut.
func (d *doors) api(s subject, method, body string) string {
	return d.request(s.dialer(), "Bearer "+s.token(d.t), method, body)
}

// byKey asks it with the key.
func (d *doors) byKey(method, body string) string {
	return d.request(&net.Dialer{}, "apikey "+apiKey, method, body)
}

func (d *doors) request(from *net.Dialer, authorization, method, body string) string {
	r, err := http.NewRequest(http.MethodPost, d.http+api.Prefix+method, strings.NewReader(body))
	must(d.t, err)
	r.Header.Set("Authorization", authorization)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: from.DialContext}}
	res, err := client.Do(r)
	must(d.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(d.t, err)
	if res.StatusCode != http.StatusOK {
		return ""
	}
	var answer struct{ Error struct{ Code int } }
	must(d.t, json.Unmarshal(b, &answer))
	return letterOf(answer.Error.Code)
}

// plain joins in the plain dialect, and says something if that succeeds.
func (d *doors) plain(s subject, name string) (join, send string) {
	path := "/" + url.PathEscape(name)
	if text := s.token(d.t); text != "" {
		path += "?token=" + text
	}
	conn, _, _, err := ws.Dialer{NetDial: s.dialer().DialContext}.Dial(d.t.Context(), "ws://"+d.main+path)
	var refused ws.StatusError
	if errors.As(err, &refused) && refused == http.StatusForbidden {
		return "-", "-"
	}
	must(d.t, err)
	defer conn.Close()
	text := "plain of " + s.name + " in " + name
	must(d.t, wsutil.WriteClientText(conn, []byte(text)))
	must(d.t, ws.WriteFrame(conn, ws.MaskFrame(ws.NewPingFrame(nil)))) // answered when the text has been judged
	_ = conn.SetDeadline(time.Now().Add(patience))
	for {
		op, payload := d.read(conn)
		switch {
		case string(payload) == text:
			return "x", "x" // everybody gets it, its sender, too
		case op == ws.OpPong:
			if d.said(name, text) { // its sender is about to get it
				return "x", "x"
			}
			return "x", "-"
		}
	}
}

// said tells whether a room remembers a text.
func (d *doors) said(name, text string) (is bool) {
	got := make(chan room.History, 1)
	d.hub.History(name, room.HistoryQuery{Limit: -1}, func(h room.History, _ error) { got <- h })
	for _, p := range (<-got).Publications {
		is = is || string(p.Data) == text
	}
	return is
}

// read reads a frame.
func (d *doors) read(from io.Reader) (ws.OpCode, []byte) {
	h, err := ws.ReadHeader(from)
	must(d.t, err)
	payload, err := io.ReadAll(io.LimitReader(from, h.Length))
	must(d.t, err)
	return h.OpCode, payload
}
