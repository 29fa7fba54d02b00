package main

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge-go"

	"webim/room/token"
)

// TestFileForTheSDK checks testdata/sdk.yaml, which is for the public tests of the SDKs for JavaScript
// and Python. It checks the features that those tests use, with the SDK for Go in both encodings.
func TestFileForTheSDK(t *testing.T) {
	p := startProgramOf(t, "testdata/sdk.yaml", "--listen", "127.0.0.1:0", "--shutdown-spread", "0s")
	addr := p.plain[0]
	signer, err := token.NewSigner(token.Key{Secret: []byte("secret")})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(c token.Claims) string {
		text, err := signer.Sign(c)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, newClient := range map[string]func(string, centrifuge.Config) *centrifuge.Client{
		"json": centrifuge.NewJsonClient, "protobuf": centrifuge.NewProtobufClient,
	} {
		for who, text := range map[string]string{"nobody": "", "a token with only iat": sign(token.Claims{})} {
			t.Run(name+", "+who, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				c := newClient("ws://"+addr.String()+"/connection/websocket", centrifuge.Config{Token: text, Header: http.Header{}})
				defer c.Close()
				must := func(err error) {
					t.Helper()
					if err != nil {
						t.Fatal(err)
					}
				}
				must(c.Connect())
				sub, err := c.NewSubscription("test "+t.Name(), centrifuge.SubscriptionConfig{Token: sign(token.Claims{Channel: "test " + t.Name()})})
				must(err)
				got := make(chan string, 10)
				sub.OnPublication(func(e centrifuge.PublicationEvent) { got <- string(e.Data) })
				must(sub.Subscribe())
				const odd = "{\"x\" : \t[1,  \"\\u00e9\"] }" // goes through as it is
				_, err = sub.Publish(ctx, []byte(odd))
				must(err)
				if data := <-got; name == "protobuf" && data != odd {
					t.Errorf("%q became %q", odd, data)
				}
				count := func() int {
					stats, err := c.PresenceStats(ctx, sub.Channel)
					must(err)
					all, err := c.Presence(ctx, sub.Channel)
					must(err)
					if len(all.Clients) != stats.NumClients || stats.NumUsers != stats.NumClients {
						t.Errorf("%d clients are named, %d of %d users counted", len(all.Clients), stats.NumClients, stats.NumUsers)
					}
					return stats.NumClients
				}
				if n := count(); n != 1 {
					t.Errorf("%d are present, want 1", n)
				}
				must(sub.Unsubscribe())
				if n := count(); n != 0 {
					t.Errorf("%d are present after unsubscribing", n)
				}
				for range 10 {
					must(sub.Subscribe())
					must(sub.Unsubscribe())
				}
				for _, kept := range []string{"recovery:", "smallhistory:", "any "} {
					sub, err := c.NewSubscription(kept + t.Name())
					must(err)
					told := make(chan centrifuge.SubscribedEvent, 1)
					sub.OnSubscribed(func(e centrifuge.SubscribedEvent) { told <- e })
					must(sub.Subscribe())
					if e := <-told; !e.Recoverable || !e.Positioned || e.WasRecovering {
						t.Errorf("%s: %+v", kept, e)
					}
					must(sub.Unsubscribe())
				}
				// Its reply comes behind all others: nobody waits for one when the client closes.
				var failed *centrifuge.Error
				if _, err := c.RPC(ctx, "unknown", nil); !errors.As(err, &failed) || failed.Code != 108 {
					t.Errorf("an unknown RPC: %v", err)
				}
			})
		}
	}
	if status, body := ask(t, addr, "POST", "/api/publish", "test-api-key", `{"channel":"test","data":{}}`); status != 200 {
		t.Errorf("the API: %d, %s", status, body)
	}
	for _, r := range p.cfg.Rooms {
		if want := map[string]int{"recovery:*": 100, "smallhistory:*": 2, "*": 100}[r.Match]; r.History != want || r.HistoryAge != 300*time.Second {
			t.Errorf("%s keeps %d for %v", r.Match, r.History, r.HistoryAge)
		}
	}
}
