package policy_test

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/api"
	"webim/room/apikey"
	"webim/room/backend"
	"webim/room/chat"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/live"
	"webim/room/moderation"
	"webim/room/mux"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/token"
)

// The test kit: one server with all its entry points, and the subjects that use them.

// subject is the key of a row, and the way in which the subject connects.
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

// yes is a backend that permits everything in the room hooked.
type yes struct{}

func (yes) Asks(k backend.Hook, name string) bool {
	return name == "hooked" && (k == backend.HookSubscribe || k == backend.HookPublish)
}
func (yes) Ask(_ backend.Request, done func(backend.Reply, error)) { go done(backend.Reply{}, nil) }
func (yes) Disconnected(backend.DisconnectEvent)                   {}
func (yes) Handles(k backend.Hook) bool {
	return k == backend.HookSubscribe || k == backend.HookPublish
}
func (yes) Headers() []string { return nil }

// doors holds all entry points of one server.
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
	options := func(r policy.Rights) policy.Options {
		return policy.Options{History: engine.Retention{Messages: 1000, Bytes: 1 << 20, Age: time.Hour}, Presence: true, Rights: r}
	}
	board, news := policy.Rights{}, policy.OpenRights()
	for a := range board {
		board[a] = policy.RoleAdmin
	}
	news[policy.ActSend] = policy.RoleAdmin
	patterns := policy.Patterns{{Match: "board", Options: options(board)}, {Match: "news", Options: options(news)}, {Match: "hooked", Options: options(policy.Rights{})}, {Match: "*", Options: options(policy.OpenRights())}}
	d.hub = room.NewHub(room.Config{Engine: memory.New(memory.Limits{}), Tokens: v, Revoked: &token.Revoked{}, Anonymous: true, Options: patterns.Options, Backend: yes{},
		Calls: rpc.Calls{Caller: chat.New()}, Rates: policy.NoRates, UserRates: policy.NoRates})
	quiet := slog.New(slog.DiscardHandler)
	guard, err := apikey.NewGuard([]apikey.Key{{Name: "test", Secret: apiKey}}, nil)
	must(t, err)
	handler, err := api.New(api.Config{Hub: d.hub, Guard: guard, Logger: quiet})
	must(t, err)
	feed, err := live.New(live.Config{Hub: d.hub, Guard: guard, Version: "test", Every: 10 * time.Millisecond, Logger: quiet})
	must(t, err)
	dialects := mux.New(d.hub)
	servers := []*netpoll.Server{netpoll.New(netpoll.Config{PingInterval: -1, Logger: quiet}, dialects), netpoll.New(netpoll.Config{PingInterval: -1, Logger: quiet}, feed)}
	dialects.Start(servers[0])
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
		ctx, cancel := context.WithTimeout(context.Background(), wstest.Patience)
		defer cancel()
		for _, s := range servers {
			if err := s.Shutdown(ctx, 0); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		}
		d.hub.Stop()
	})
	for _, one := range table {
		for table, user := range map[string][]string{engine.TableBan: {"bmo", "bad", "bcaps"}, engine.TableBanIP: {elsewhere}, engine.TableMute: {"mu", "mumo"}} {
			for _, who := range user {
				failed := make(chan error, 1)
				d.hub.Impose(moderation.Sanction{Table: table, Room: one.room, Who: who, Over: true}, nil, func(err error) { failed <- err })
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

// token returns the subject's token; "" for an anonymous subject.
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
	d := &net.Dialer{Timeout: wstest.Patience}
	if s.from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(s.from)}
	}
	return d
}
