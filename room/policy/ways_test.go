package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge-go"
	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/api"
	"webim/room/engine"
	"webim/room/wire"
)

// The entry points: the actions of a subject at each of them, and the letter of each result.

// socket connects the subject in the Centrifuge dialect.
func (d *doors) socket(s subject, protobuf bool) *centrifuge.Client {
	d.t.Helper()
	cfg := centrifuge.Config{Token: s.token(d.t), NetDialContext: s.dialer().DialContext, ReadTimeout: wstest.Patience, WriteTimeout: wstest.Patience}
	newClient := centrifuge.NewJsonClient
	if protobuf {
		newClient = centrifuge.NewProtobufClient
	}
	c := newClient("ws://"+d.main+wire.EndpointPath, cfg)
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
	case <-time.After(wstest.Patience):
		d.t.Fatalf("%s does not connect", s.name)
	}
	return c
}

// letter returns the letter of an error in the table.
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
	ctx, cancel := context.WithTimeout(d.t.Context(), wstest.Patience)
	defer cancel()
	_, err := c.RPC(ctx, method, []byte(body))
	return letter(err)
}

// api calls the server API with the subject's token; "" means that the API refuses the token.
func (d *doors) api(s subject, method, body string) string {
	return d.request(s.dialer(), "Bearer "+s.token(d.t), method, body)
}

// byKey calls the server API with the key.
func (d *doors) byKey(method, body string) string {
	return d.request(&net.Dialer{}, "apikey "+apiKey, method, body)
}

func (d *doors) request(from *net.Dialer, authorization, method, body string) string {
	r, err := http.NewRequest(http.MethodPost, d.http+api.Prefix+method, strings.NewReader(body))
	must(d.t, err)
	r.Header.Set("Authorization", authorization)
	client := &http.Client{Timeout: wstest.Patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: from.DialContext}}
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

// dial opens a WebSocket from the subject's address, and returns the HTTP status.
func (d *doors) dial(s subject, addr, path string) (*wstest.Client, int) {
	conn, err := s.dialer().Dial("tcp", addr)
	must(d.t, err)
	client := wstest.NewClient(d.t, conn)
	r, err := client.TryHandshake(path)
	must(d.t, err)
	return client, r.StatusCode
}

// plain joins in the plain dialect and, if that succeeds, sends a message.
func (d *doors) plain(s subject, name string) (join, send string) {
	path := "/" + url.PathEscape(name)
	if text := s.token(d.t); text != "" {
		path += "?token=" + text
	}
	client, status := d.dial(s, d.main, path)
	if status == http.StatusForbidden {
		return "-", "-"
	}
	text := "plain of " + s.name + " in " + name
	client.Send(0x81, text)
	client.Send(0x89, "") // answered after the server has handled the message
	defer client.Conn.Close()
	client.Wait()
	for {
		op, payload, err := client.ReadMessage()
		must(d.t, err)
		switch {
		case string(payload) == text:
			return "x", "x" // every member receives it, also the sender
		case op == ws.OpPong:
			if d.said(name, text) { // the sender is about to receive it
				return "x", "x"
			}
			return "x", "-"
		}
	}
}

// said reports whether the history of a room has a text.
func (d *doors) said(name, text string) (is bool) {
	got := make(chan engine.History, 1)
	d.hub.History(name, room.HistoryQuery{Limit: -1}, func(h engine.History, _ error) { got <- h })
	for _, p := range (<-got).Publications {
		is = is || string(p.Data) == text
	}
	return is
}
