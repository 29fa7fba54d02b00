package main

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/cmd/webim/internal/testcert"
	"webim/netpoll/wstest"
	"webim/room/token"
)

// usersOnly are rooms for clients with a token.
const usersOnly = "rooms:\n  - match: '*'\n    allow: {join: user, read: user, send: user}\n"

// tokenPath returns the path of a room with a token.
func tokenPath(t *testing.T, key token.Key, claims token.Claims) string {
	t.Helper()
	s, err := token.NewSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	claims.User = "anna"
	text, err := s.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return "/r?token=" + text
}

// expectStatus checks the answer to a handshake; 101 is an open connection.
func (r *reloading) expectStatus(path string, want int) {
	r.t.Helper()
	if _, status := (&client{wstest.Dial(r.t, r.addr()), r.t}).open(path); status != want {
		r.t.Errorf("%.20s: %d, want %d", path, status, want)
	}
}

// reloadTokens checks that tokens of a new key are valid and those of the old one are not, that new rules hold, and that connected
// clients stay.
func reloadTokens(t *testing.T) *reloading {
	file := write(t, "secret", longSecret)
	settings := usersOnly + "token_secret_file: " + file + "\n"
	r := startReloading(t, settings)
	const next, short = "another secret of more than thirty-two bytes", "a short secret"
	of := func(secret string) string { return tokenPath(t, token.Key{Secret: []byte(secret)}, token.Claims{}) }
	old := connect(t, r.addr(), of(longSecret))
	if err := os.WriteFile(file, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	r.says(r.reload(settings), "token_secret_file (new contents) have changed")
	connect(t, r.addr(), of(next)).echo("new")
	old.reads("new")
	r.expectStatus(of(longSecret), 401)

	ours := tokenPath(t, token.Key{Secret: []byte(next)}, token.Claims{Issuer: "us", Audience: []string{"chat"}})
	r.says(r.reload(settings+"token_issuer: us\n"), "token_issuer (none → us) have changed")
	r.expectStatus(of(next), 401)
	r.expectStatus(ours, 101)
	r.says(r.reload(settings+"token_audience: [other]\n"), "token_audience (none → other), token_issuer (us → none) have changed")
	r.expectStatus(ours, 401)
	late := tokenPath(t, token.Key{Secret: []byte(next)}, token.Claims{Audience: []string{"chat"}, Expires: time.Now().Add(-2 * time.Minute).Unix()})
	r.reload(settings + "token_audience: [chat]\n")
	r.expectStatus(ours, 101)
	r.expectStatus(late, 401)
	r.says(r.reload(settings+"token_audience: [chat]\ntoken_leeway: 10m\n"), "token_leeway (10s → 10m) have changed")
	r.expectStatus(late, 101)

	r.says(r.reload(usersOnly+"token_secret: "+short+"\n"), "can be guessed")
	r.expectStatus(ours, 101)
	r.says(r.reload(usersOnly+"insecure: true\ntoken_secret: "+short+"\n"), "insecure (false → true), token_audience (chat → none), token_leeway (10m → 10s), token_secret (not shown), token_secret_file ("+file+" → none) have changed")
	r.expectStatus(of(next), 401)
	r.expectStatus(of(short), 101)
	cert, key := testcert.New(t, 0, time.Hour, "a test")
	r.says(r.reload(usersOnly+"token_public_key: [one="+write(t, "cert", cert)+"]\n"), "token_public_key")
	r.expectStatus(of(short), 401)
	r.expectStatus(tokenPath(t, token.Key{ID: "one", PEM: []byte(key)}, token.Claims{}), 101)
	return r
}

// TestReloadFirstKey checks that a reload lets in the tokens of the first key, and none any more when the last key is gone; clients
// that are connected stay. Without a key, nobody can make one by which a token would be valid.
func TestReloadFirstKey(t *testing.T) {
	r := startReloading(t, usersOnly)
	path := tokenPath(t, token.Key{Secret: []byte(longSecret)}, token.Claims{})
	empty := path[:strings.LastIndex(path, ".")+1] // as if the secret were empty, and no signature needed
	r.expectStatus(path, 401)
	r.says(r.reload(usersOnly+"token_secret: "+longSecret+"\n"), "token_secret (not shown) have changed")
	ann := connect(t, r.addr(), path)
	r.expectStatus(empty, 401)
	r.says(r.reload(usersOnly), "token_secret (not shown) have changed")
	ann.echo("still here")
	r.expectStatus(path, 401)
	r.expectStatus(empty, 401)
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	if err := s.Say(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{Token: strings.TrimPrefix(path, "/r?token=")}}); err != nil {
		t.Fatal(err)
	}
	if code, reason := s.Disconnected(); code != 3500 {
		t.Errorf("without a key: %d %s", code, reason)
	}
	r.says(r.reload(usersOnly+"token_secret: "+longSecret+"\n"), "token_secret (not shown) have changed")
	connect(t, r.addr(), path)
}

// comes connects a client, which is refused with a code, or not if that is 0. It returns the token of a guest.
func (r *reloading) comes(request *protocol.ConnectRequest, refused int) (*wstest.Protocol, string) {
	r.t.Helper()
	s := wstest.OpenProtocol(r.t, r.addr(), "/connection/websocket", false)
	if refused != 0 {
		if err := s.Say(&protocol.Command{Id: 1, Connect: request}); err != nil {
			r.t.Fatal(err)
		}
		if code, reason := s.Disconnected(); code != refused {
			r.t.Errorf("the client is closed with %d %s, want %d", code, reason, refused)
		}
		return nil, ""
	}
	var data struct{ User, Token string }
	if reply := s.Connect(request); len(reply.Data) > 0 {
		if err := json.Unmarshal(reply.Data, &data); err != nil {
			r.t.Fatal(err)
		}
	}
	return s, data.Token
}

// TestReloadAnonymous checks that a reload lets in clients without a token, and guests, and that another one shuts them out again:
// present ones leave the rooms, and their tokens are no longer valid until guests are let in again.
func TestReloadAnonymous(t *testing.T) {
	r := startReloading(t, usersOnly)
	eve := &protocol.ConnectRequest{Data: []byte(`{"guest":"Eve"}`)}
	r.comes(eve, 3500)
	r.expectStatus("/r", 401)

	r.says(r.reload("open: true\n"), "open (false → true), rooms (removed *) have changed")
	s, text := r.comes(eve, 0)
	if text == "" {
		t.Fatal("the guest gets no token")
	}
	s.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	plain := connect(t, r.addr(), "/r")

	r.says(r.reload(usersOnly), "open (true → false), rooms (added *) have changed")
	if push := s.Push(); push.Unsubscribe == nil || push.Unsubscribe.Code != 2001 {
		t.Errorf("the guest gets %v", push)
	}
	plain.ExpectClose(3507)
	r.comes(eve, 3500)
	r.comes(&protocol.ConnectRequest{Token: text}, 3500)
	r.expectStatus("/r", 401)
	r.expectStatus("/r?token="+text, 401)
	s.Leave()

	r.says(r.reload("open: true\n"), "open (false → true), rooms (removed *) have changed")
	again, _ := r.comes(&protocol.ConnectRequest{Token: text}, 0)
	again.Leave()
}

// provider is an identity provider with one key, and counts the fetches.
type provider struct {
	*httptest.Server
	key     token.Key // private
	fetches atomic.Int32
}

func newProvider(t *testing.T) *provider {
	_, private := testcert.New(t, 0, time.Hour, "a test")
	block, _ := pem.Decode([]byte(private))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	point, err := parsed.(*ecdsa.PrivateKey).PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	p := &provider{key: token.Key{ID: "one", PEM: []byte(private)}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		fmt.Fprintf(w, `{"keys":[{"kid":"one","alg":"ES256","use":"sig","kty":"EC","crv":"P-256","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	}))
	t.Cleanup(p.Close)
	return p
}

// reloadJWKS changes the identity provider, and how often its keys are fetched.
func reloadJWKS(t *testing.T) *reloading {
	first, second := newProvider(t), newProvider(t)
	settings := usersOnly + "insecure: true\ntoken_jwks_refresh: 24h\n"
	r := startReloading(t, settings+"token_jwks: "+first.URL+"\n")
	fetched := func(p *provider) {
		t.Helper()
		wstest.Eventually(t, "a token of the provider is valid", func() bool {
			c, _ := (&client{wstest.Dial(t, r.addr()), t}).open(tokenPath(t, p.key, token.Claims{}))
			return c != nil
		})
	}
	fetched(first)
	r.says(r.reload(settings+"token_jwks: "+second.URL+"\n"), "token_jwks ("+first.URL+" → "+second.URL+") have changed")
	fetched(second)
	r.expectStatus(tokenPath(t, first.key, token.Claims{}), 401)
	before := second.fetches.Load()
	r.says(r.reload(usersOnly+"insecure: true\ntoken_jwks_refresh: 1s\ntoken_jwks: "+second.URL+"\n"), "token_jwks_refresh (24h → 1s) have changed")
	wstest.Eventually(t, "the keys are fetched again and again", func() bool { return second.fetches.Load() >= before+3 })
	return r
}

// TestReloadGuestSecret checks that the tokens of guests are no longer valid when the secret of tokens has changed or is gone, because
// that of the guests is derived from it; and that they stay valid if there is none before and after.
func TestReloadGuestSecret(t *testing.T) {
	const open, with = "open: true\n", "open: true\ntoken_secret: "
	r := startReloading(t, with+longSecret+"\n")
	eve := &protocol.ConnectRequest{Data: []byte(`{"guest":"Eve"}`)}
	for _, next := range []string{with + strings.ToUpper(longSecret) + "\n", open} {
		_, text := r.comes(eve, 0)
		r.says(r.reload(next), "token_secret (not shown) have changed")
		r.comes(&protocol.ConnectRequest{Token: text}, 3500)
	}
	_, text := r.comes(eve, 0)
	r.says(r.reload(open+"log_level: debug\n"), "log_level")
	r.comes(&protocol.ConnectRequest{Token: text}, 0)
}
