package jetstream

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine"
)

// lying is a server that gives old answers to requests, as one that has failed to store the newest messages, and whose successor
// nobody knows yet: that there is no such message, or as the test says. It does so until it gets a marker, and if it loses
// markers, until set is called.
type lying struct {
	*natsServer
	request string // its subject
	answer  string
	marker  string // how the subjects of its markers begin
	mu      sync.Mutex
	lies    bool
	loses   bool // the markers
	denied  int
	markers int // that came
}

// reads is the request for a message of a stream, and noMessage the answer that there is none.
const (
	reads     = "$JS.API.STREAM.MSG.GET."
	noMessage = `{"type":"io.nats.jetstream.api.v1.stream_msg_get_response","error":{"code":404,"err_code":10037,"description":"no message found"}}`
)

func startLying(t testing.TB, s *natsServer) *lying {
	t.Helper()
	l := &lying{natsServer: s, request: reads + "KEYS", answer: noMessage, marker: "key.=proof-"}
	nc, err := s.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	_, err = nc.Subscribe("lie.>", func(m *nats.Msg) {
		l.mu.Lock()
		l.denied++ // before the answer, after which a test looks
		answer := l.answer
		l.mu.Unlock()
		_ = m.Respond([]byte(answer))
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lying) set(lies, loses bool) {
	l.mu.Lock()
	l.lies, l.loses = lies, loses
	l.mu.Unlock()
}

// hasDenied returns how many requests got an old answer.
func (l *lying) hasDenied() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.denied
}

// hasMarked returns how many markers the nodes have sent.
func (l *lying) hasMarked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.markers
}

// InProcessConn implements nats.InProcessConnProvider.
func (l *lying) InProcessConn() (net.Conn, error) {
	c, err := l.natsServer.InProcessConn()
	return lyingConn{c, l}, err
}

func (l *lying) connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(opts, nats.InProcessServer(l))...)
}

type lyingConn struct {
	net.Conn
	l *lying
}

// Write sends requests for messages, and markers, to other subjects.
func (c lyingConn) Write(b []byte) (int, error) {
	sent := b
	c.l.mu.Lock()
	if marker := []byte("PUB " + c.l.marker); bytes.Contains(sent, marker) {
		c.l.markers++
		if c.l.loses {
			sent = bytes.ReplaceAll(sent, marker, []byte("PUB lost."))
		} else {
			c.l.lies = false
		}
	}
	if c.l.lies {
		sent = bytes.ReplaceAll(sent, []byte("PUB "+c.l.request+" "), []byte("PUB lie.to "))
	}
	c.l.mu.Unlock()
	if _, err := c.Conn.Write(sent); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestDeniedKey reads a room while a server denies the key of its author: the texts do not count as erased, neither then nor
// later. Those of a user who was erased do, also while no marker can be stored.
func TestDeniedKey(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	for _, user := range []string{"bob", "ann"} {
		publish(t, a, "of "+user, said(user, "text of "+user))
	}
	erase(t, a, "bob")
	l := startLying(t, s)
	e := openWith(t, Config{Keep: always, Connect: l.connect})
	all := engine.Span{Limit: -1}
	read := func(room string) error {
		failed := make(chan error, 1)
		e.History(room, all, func(_ engine.History, err error) { failed <- err })
		return receive(t, failed)
	}
	l.set(true, true)
	if err := read("of ann"); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("without a marker: %v", err)
	}
	if err := checkReadable(t, e, "of bob", all, "-"); err != nil {
		t.Error(err)
	}
	l.set(true, false)
	was := l.hasDenied()
	if err := checkReadable(t, e, "of ann", all, "text of ann"); err != nil {
		t.Error(err)
	}
	if was == 0 || l.hasDenied() == was {
		t.Errorf("%d, then %d keys were denied, so the test proves nothing", was, l.hasDenied())
	}
	l.set(true, false)
	if got := publish(t, openWith(t, Config{Keep: always, Connect: l.connect}), "of ann", said("ann", "more")); got.err != nil {
		t.Errorf("a user whose key was denied says something: %v", got.err)
	}
	eventually(t, func() error { return checkReadable(t, e, "of ann", all, "text of ann more") })
}

// TestDeniedKeyIsErased erases a user while a server denies the key, which must be deleted nevertheless.
func TestDeniedKeyIsErased(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	publish(t, a, "r", said("ann", "text"))
	l := startLying(t, s)
	e := openWith(t, Config{Keep: always, Connect: l.connect})
	l.set(true, false)
	erase(t, e, "ann")
	if l.hasDenied() == 0 {
		t.Error("no key was denied, so the test proves nothing")
	}
	if keyRecord(t, a, "ann") != nil {
		t.Error("the key is still there")
	}
}

// TestErasedKeyIsReturned erases a user on one node, while the server of another one still returns the key: there, too, nobody can
// read any more what the user has said.
func TestErasedKeyIsReturned(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	publish(t, a, "r", said("ann", "x"))
	one, err := a.read.Leader().Last(t.Context(), "KEYS", "key.ann")
	if err != nil {
		t.Fatal(err)
	}
	e, l, _ := denied(t, s, "KEYS", "key.=proof-", Config{Keep: always})
	l.set(false, false)
	all := engine.Span{Limit: -1}
	if err := checkReadable(t, e, "r", all, "x"); err != nil {
		t.Error(err)
	}
	l.answer = fmt.Sprintf(`{"message":{"subject":"key.ann","seq":%d,"data":%q}}`, one.Seq, base64.StdEncoding.EncodeToString(one.Data))
	l.set(true, false)
	erase(t, a, "ann")
	eventually(t, func() error { return checkReadable(t, e, "r", all, "-") })
}

// TestRoomsWithoutKeys reads many rooms of a store without keys, as after a restore without them, all at once.
func TestRoomsWithoutKeys(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	const rooms, users = 6, 5
	for i := range rooms {
		for k := range users {
			publish(t, a, fmt.Sprint("room", i), said(fmt.Sprint("user", i, "-", k), "text"))
		}
	}
	stream, err := a.js.Stream(t.Context(), "KEYS")
	if err == nil {
		err = stream.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	markers, err := a.nc.SubscribeSync("key.*")
	if err == nil {
		err = a.nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, s, Config{Keep: always})
	var wg sync.WaitGroup
	for i := range rooms {
		wg.Go(func() {
			if err := checkReadable(t, e, fmt.Sprint("room", i), engine.Span{Limit: -1}, strings.TrimSpace(strings.Repeat("- ", users))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wstest.Eventually(t, "a marker was sent", func() bool { n, _, err := markers.Pending(); return n > 0 && err == nil })
	if n, _, err := markers.Pending(); n > rooms*users || err != nil {
		t.Errorf("%d markers for %d keys, %v", n, rooms*users, err)
	}
	publish(t, e, "room0", said("user0-0", "new"))
	if err := checkReadable(t, e, "room0", engine.Span{Limit: 1, Newest: true}, "new"); err != nil {
		t.Error(err)
	}
}

// TestRedactDenied redacts a publication, and looks after a cut, while the leader of the stream lacks the newest messages: that
// fails, and does not count as done.
func TestRedactDenied(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	at := publish(t, e, "r", text("x")).pos.Offset
	c := e.class("r")
	if err := e.isGone(c, "r", at); err != nil {
		t.Errorf("the leader has had it: %v", err)
	}
	if err := e.redactOne(c, "r", at+5); err != nil {
		t.Errorf("what nobody has seen: %v", err)
	}
	c.known.See(*c.incarnation.Load(), at+5) // as if it had been acknowledged
	if err := e.redactOne(c, "r", at+5); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("what the leader lacks: %v", err)
	}
	if err := e.overwrite(c, at+5); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("overwriting what the leader lacks: %v", err)
	}
}
