package room_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/golang-jwt/jwt/v5"

	"webim/netpoll"
	"webim/room"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// The tests of this file check that the default limits neither refuse nor delay usual clients, and that
// these clients recover.

// startDefault starts a server that has all limits at their defaults, and rooms with messages. At the end
// of the test it checks that no client was refused, closed or delayed.
func startDefault(t *testing.T, rooms, messages int) *node {
	v, _ := tokens(t)
	options := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), Recoverable: true, History: engine.Retention{Messages: 1000, Bytes: 1 << 20, Age: time.Hour}}}}
	n := startWith(t, newHub(room.Config{Tokens: v, Anonymous: true, Options: options.Options}), netpoll.Config{}, nil)
	for i := range rooms {
		for j := range messages {
			data := fmt.Appendf(nil, `{"text":"%d %s"}`, j, strings.Repeat("x", 200))
			n.hub.Publish(fmt.Sprint("team-", i), engine.Message{Op: engine.OpJSON, Data: data, From: &engine.Author{User: "bob", Client: "c"}}, nil)
		}
	}
	t.Cleanup(func() {
		if st := n.hub.Stats(); st.TooFast != (room.TooFast{}) || st.Cut != 0 || n.s.Stats().Rests != 0 {
			t.Errorf("refused %+v, cut %d, rests %d", st.TooFast, st.Cut, n.s.Stats().Rests)
		}
	})
	return n
}

// reconnectMessage returns the message of an SDK that connects again: a command for each room, with a
// token of a kilobyte and the position of the last publication that the SDK has.
func reconnectMessage(t *testing.T, user string, rooms int) string {
	var b strings.Builder
	padding := strings.Repeat("p", 600)
	fmt.Fprintf(&b, `{"id":1,"connect":{"token":%q}}`, forge(t, jwt.MapClaims{"sub": user, "info": map[string]string{"padding": padding}}))
	for i := range rooms {
		room := fmt.Sprint("team-", i)
		tok := forge(t, jwt.MapClaims{"sub": user, "channel": room, "info": map[string]string{"padding": padding}})
		fmt.Fprintf(&b, "\n"+`{"id":%d,"subscribe":{"channel":%q,"token":%q,"recover":true}}`, i+2, room, tok)
	}
	return b.String()
}

// recovered reads the replies to a reconnectMessage.
func (c *client) recovered(rooms, messages int) error {
	defer c.Wait()()
	replies, subs, pubs := 0, 0, 0
	for replies < rooms+1 {
		_, p, err := c.read()
		if err != nil {
			return err
		}
		for line := range strings.SplitSeq(string(p), "\n") {
			if line == "{}" {
				continue
			}
			if strings.Contains(line, `"error"`) {
				return fmt.Errorf("%.200s", line)
			}
			replies++
			subs += strings.Count(line, `"recovered":true`)
			pubs += strings.Count(line, `"data":`)
		}
	}
	if subs != rooms || pubs != rooms*messages {
		return fmt.Errorf("%d rooms and %d messages recovered, want %d and %d", subs, pubs, rooms, rooms*messages)
	}
	return nil
}

// A phone that comes back after a week recovers a hundred rooms with all they
// remember, in one message with its connect command; compressed, too.
func TestPhoneComesBackToHundredRooms(t *testing.T) {
	const rooms, messages = 100, 100
	n := startDefault(t, rooms, messages)
	message := reconnectMessage(t, "ann", rooms)
	if len(message) < rooms<<10 {
		t.Fatalf("only %d bytes", len(message))
	}
	for _, extensions := range []string{noDeflate, deflate} {
		c := n.join(wire.EndpointPath, extensions)
		if extensions == deflate {
			c.sendDeflated(t, message)
		} else {
			c.say(t, "%s", message)
		}
		if err := c.recovered(rooms, messages); err != nil {
			t.Error(err)
		}
	}
}

// An office of 500 people behind one address comes back at once after its network
// was away, each to ten rooms.
func TestOfficeComesBack(t *testing.T) {
	const people, rooms, each = 500, 10, 3
	n := startDefault(t, rooms, each)
	messages := make([]string, people)
	for i := range messages {
		messages[i] = reconnectMessage(t, fmt.Sprint("person ", i), rooms)
	}
	errs := make(chan error, people)
	var wg sync.WaitGroup
	for part := range 25 {
		wg.Go(func() {
			for i := part; i < people; i += 25 {
				c, _, err := n.dial(&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(attacker)}}, wire.EndpointPath, noDeflate)
				if err == nil {
					defer c.Conn.Close()
					err = c.send(ws.OpText, messages[i])
				}
				if err == nil {
					err = c.recovered(rooms, each)
				}
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A bot sends as much as it may, of the longest texts, to a room with many members.
func TestBotAtItsRate(t *testing.T) {
	n := startDefault(t, 0, 0)
	n.joinAll(200, "/crowd", plain)
	bot := n.as(t, attacker, "bot")
	text := strings.Repeat("long text ", 390)
	for i := range 50 {
		if got := bot.commands(t, fmt.Sprintf(`"publish":{"channel":"crowd","data":{"text":%q}}`, text)); got[0] != 0 {
			t.Fatalf("message %d: %v", i, got)
		}
	}
}

// Pings are answered for as long as a client is there; that is never too much.
func TestAnsweredPingsAreFree(t *testing.T) {
	v, _ := tokens(t)
	slowest := policy.NoRates
	slowest.Other = slow(1)
	hub := newHub(room.Config{Tokens: v, Anonymous: true, PingInterval: time.Second, PongTimeout: 900 * time.Millisecond, Rates: slowest, Refusals: slow(1)})
	n := startWith(t, hub, netpoll.Config{}, nil)
	c := n.chat()
	c.say(t, `{"id":1,"connect":{}}`)
	for pings := 0; pings < 2; {
		_, p, err := c.read()
		if err != nil {
			t.Fatal(err)
		}
		if string(p) == "{}" {
			pings++
			c.say(t, "{}")
		}
	}
	if st := n.hub.Stats(); st.TooFast.Other != 0 {
		t.Errorf("%+v", st.TooFast)
	}
	c.say(t, "{}")
	c.say(t, "{}\n{}\n{}")
	for got := ""; got != fmt.Sprint("close ", int(wire.DisconnectTooManyErrors)); got = c.reply(t) {
		if strings.HasPrefix(got, "close") {
			t.Fatal(got)
		}
	}
}

// sendDeflated sends a compressed text.
func (c *client) sendDeflated(t testing.TB, text string) {
	t.Helper()
	f, err := wsflate.CompressFrame(ws.NewTextFrame([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	c.ResetDeadline()
	if err := ws.WriteFrame(c.Conn, ws.MaskFrame(f)); err != nil {
		t.Fatal(err)
	}
}
