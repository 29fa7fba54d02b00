package cluster

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/frames"
)

// three starts three nodes.
func three(t testing.TB, cfg Config) (a, b, c *node) {
	if cfg.Patience == 0 {
		cfg.Patience, cfg.Lease = time.Minute, time.Minute // all answer, however slow the machine is
	}
	s := startServer(t)
	return start(t, s, cfg), start(t, s, cfg), start(t, s, cfg)
}

func TestCountAndMembers(t *testing.T) {
	a, b, c := three(t, Config{})
	one, two := &members{users: []string{"ann", "ann", "bob", ""}}, &members{users: []string{"bob", "", ""}, info: []byte(`{"x":1}`)}
	check := func(clients, users int) {
		t.Helper()
		for _, n := range []*node{a, b, c} {
			if got := n.count(t, "r"); got.err != nil || got.clients != clients || got.users != users {
				t.Errorf("%+v, want %d clients of %d users", got, clients, users)
			}
			if got := n.list(t, "r", clients); got.err != nil || len(got.all) != clients {
				t.Errorf("%+v, want %d", got, clients)
			}
			if got := n.list(t, "r", clients-1); !errors.Is(got.err, engine.ErrTooManyMembers) || got.all != nil {
				t.Errorf("above the limit: %+v", got)
			}
		}
	}
	check(0, 0)
	a.has("r", one)
	if a.count(t, "r"); one.counts.Load() > 0 {
		t.Error("the users of a room were named, though all members are here")
	}
	check(4, 3)
	b.has("r", two)
	check(7, 3)
	b.has("r", two, one) // two hubs
	check(11, 3)
	if all := c.list(t, "r", 100).all; !slices.ContainsFunc(all, func(m engine.Author) bool { return string(m.ConnInfo) == `{"x":1}` }) {
		t.Errorf("an info is lost: %+v", all)
	}
}

func TestLongAnswers(t *testing.T) {
	a, b, _ := three(t, Config{})
	m := &members{users: slices.Repeat([]string{"ann"}, 1000), info: slices.Repeat([]byte("x"), 1000)}
	a.has("r", m)
	got := b.list(t, "r", 5000)
	if got.err != nil || len(got.all) != 1000 {
		t.Fatalf("%d, %v", len(got.all), got.err)
	}
	for _, one := range got.all {
		if one.User != "ann" || len(one.ConnInfo) != 1000 {
			t.Fatalf("%+v", one)
		}
	}
	m.info = slices.Repeat([]byte("x"), maxAnswer/1000+1)
	if got := b.list(t, "r", 5000); got.err == nil || got.all != nil {
		t.Errorf("a list above the limit of bytes: %d members, %v", len(got.all), got.err)
	}
}

func TestControl(t *testing.T) {
	a, b, c := three(t, Config{})
	ill := errors.New("the hub is ill")
	hubs := []*hub{{name: "a"}, {name: "b", fault: ill}, {name: "b2"}, {name: "gone"}}
	a.AddNode(hubs[0])
	a.AddNode(hubs[0])
	b.AddNode(hubs[1])
	b.AddNode(hubs[2])
	b.AddNode(hubs[3])
	b.RemoveNode(hubs[3])
	for i, n := range []*node{a, b, c} {
		err := n.control(t, engine.ControlMessage{Kind: engine.ControlDisconnect, Code: uint32(4500 + i), To: engine.Target{User: "ann"}})
		if err == nil || !strings.Contains(err.Error(), ill.Error()) || errors.Is(err, engine.ErrUnconfirmed) {
			t.Errorf("the error of the hub: %v", err)
		}
		if got := []int{hubs[0].times(), hubs[1].times(), hubs[2].times(), hubs[3].times()}; !slices.Equal(got, []int{i + 1, i + 1, i + 1, 0}) {
			t.Errorf("applied %v times", got)
		}
	}
	if m := hubs[2].applied[2]; m.Code != 4502 || m.To.User != "ann" {
		t.Errorf("%+v", m)
	}
	type infos struct {
		all []engine.NodeInfo
		err error
	}
	for _, n := range []*node{a, b, c} {
		got := make(chan infos, 1)
		n.Collect(engine.Question{Rooms: "x*"}, func(all []engine.NodeInfo, err error) { got <- infos{all, err} })
		r := receive(t, got)
		var names []string
		for _, info := range r.all {
			names = append(names, fmt.Sprint(info.Node, info.Rooms["x*"]))
		}
		if slices.Sort(names); r.err != nil || !slices.Equal(names, []string{"a1", "b1", "b21"}) {
			t.Errorf("%v, %v", names, r.err)
		}
	}
}

// TestControlOrder checks that a node applies what another one sends in its order.
func TestControlOrder(t *testing.T) {
	a, b, _ := three(t, Config{})
	h := &hub{}
	b.AddNode(h)
	const n = 200
	done := make(chan error, n)
	for i := range n {
		a.SendControl(engine.ControlMessage{Code: uint32(i)}, func(err error) { done <- err })
	}
	for range n {
		if err := receive(t, done); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range h.applied {
		if m.Code != uint32(i) {
			t.Fatalf("message %d is %d", i, m.Code)
		}
	}
}

// TestControlAgain checks that a message that comes twice is applied once, and confirmed twice in the same way.
func TestControlAgain(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{})
	h := &hub{fault: errors.New("ill")}
	a.AddNode(h)
	nc := connect(t, s)
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		forge(t, nc, subjectControl, inbox, frames.Frame{From: "x", Kind: frames.Control, Body: []byte(`{"Kind":3}`)})
		m, err := sub.NextMsg(wstest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		if f, err := frames.Decode(m.Data); err != nil || f.Kind != frames.Refusal || string(f.Body) != "ill" || f.From != a.ID() {
			t.Errorf("%+v, %v", f, err)
		}
	}
	if h.times() != 1 {
		t.Errorf("applied %d times", h.times())
	}
}

// TestControlRepeat checks that a message is sent again if a node has not confirmed it.
func TestControlRepeat(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{Patience: 200 * time.Millisecond})
	nc := connect(t, s)
	sub, err := nc.SubscribeSync(subjectControl)
	if err != nil {
		t.Fatal(err)
	}
	forge(t, nc, subjectAlive, "", frames.Frame{From: "x", Kind: frames.Beat})
	wstest.Eventually(t, "x is known", func() bool { return slices.Contains(a.alive(), "x") })
	done := make(chan error, 1)
	a.SendControl(engine.ControlMessage{Kind: 3}, func(err error) { done <- err })
	var replies []string
	for range 2 {
		m, err := sub.NextMsg(wstest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		replies = append(replies, m.Reply)
	}
	if replies[0] != replies[1] {
		t.Errorf("the message has the ids %q", replies)
	}
	if err := receive(t, done); !errors.Is(err, engine.ErrUnconfirmed) || !strings.HasSuffix(err.Error(), "node x") {
		t.Errorf("%v", err)
	}
}

// TestSilentNode checks what happens while a node has died without a word, and afterwards.
func TestSilentNode(t *testing.T) {
	s := startServer(t)
	cfg := Config{Beat: time.Hour, Lease: 5 * time.Hour, Patience: time.Second} // no beat is on its way when b dies
	a, b := start(t, s, cfg), start(t, s, cfg)
	a.has("r", &members{users: []string{"ann"}})
	b.has("r", &members{users: []string{"bob"}})
	h := &hub{}
	a.AddNode(h)
	if got := a.count(t, "r"); got.clients != 2 {
		t.Fatalf("%+v", got)
	}
	b.nc.Close()
	// It is left out, though it is not known to be dead.
	if got := a.count(t, "r"); got.err != nil || got.clients != 1 || got.users != 1 {
		t.Errorf("%+v", got)
	}
	if got := a.list(t, "r", 10); got.err != nil || len(got.all) != 1 {
		t.Errorf("%+v", got)
	}
	// A control message is not confirmed, and applied here.
	if err := a.control(t, engine.ControlMessage{Kind: 3}); !errors.Is(err, engine.ErrUnconfirmed) || !strings.Contains(err.Error(), b.ID()) || h.times() != 1 {
		t.Errorf("%v, applied %d times", err, h.times())
	}
	infos := make(chan error, 1)
	a.Collect(engine.Question{}, func(_ []engine.NodeInfo, err error) { infos <- err })
	if err := receive(t, infos); !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), b.ID()) {
		t.Errorf("%v", err)
	}
	a.gone(b.ID(), false) // as tick does
	if err := a.control(t, engine.ControlMessage{Kind: 3}); err != nil {
		t.Error(err)
	}
}

// TestLease checks that a node that is not heard is taken for dead, and that a node that did not hear itself gives the
// others a new lease.
func TestLease(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{Beat: time.Hour, Lease: 5 * time.Hour}) // read does not tick
	nc := connect(t, s)
	known := func() bool { return slices.Contains(a.alive(), "x") }
	forge(t, nc, subjectAlive, "", frames.Frame{From: "x", Kind: frames.Beat})
	wstest.Eventually(t, "x is known", known)
	now := time.Now()
	for _, step := range []struct {
		hour     time.Duration
		hears, x bool
	}{{4, true, true}, {12, false, true}, {13, true, true}, {17, true, true}, {19, true, false}} {
		at := now.Add(step.hour * time.Hour)
		if step.hears {
			a.mu.Lock()
			a.echo = at
			a.mu.Unlock()
		}
		if a.tick(at); known() != step.x {
			t.Errorf("hour %d: x is known: %v", step.hour, known())
		}
	}
	forge(t, nc, subjectAlive, "", frames.Frame{From: "x", Kind: frames.Beat})
	wstest.Eventually(t, "x is known again", known)
	forge(t, nc, subjectAlive, "", frames.Frame{From: "x", Kind: frames.Bye})
	wstest.Eventually(t, "x is gone", func() bool { return !known() })
}

// TestFarewell checks that a question does not wait for a node that says goodbye.
func TestFarewell(t *testing.T) {
	s := startServer(t)
	a, b := start(t, s, Config{Patience: time.Hour}), start(t, s, Config{Patience: time.Hour})
	h := &hub{hold: make(chan bool)}
	b.AddNode(h)
	a.has("r", &members{users: []string{"ann"}})
	done := make(chan error, 1)
	a.SendControl(engine.ControlMessage{Kind: 3}, func(err error) { done <- err })
	closed := make(chan bool)
	go func() { b.Close(); close(closed) }()
	close(h.hold)
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
	receive(t, closed)
	if got := a.count(t, "r"); got.err != nil || got.clients != 1 {
		t.Errorf("%+v", got)
	}
}

// TestSlowNode checks that a node that lives and does not answer is an error.
func TestSlowNode(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{Patience: time.Second})
	nc := connect(t, s)
	sub, err := nc.SubscribeSync(subjectAsk)
	if err != nil {
		t.Fatal(err)
	}
	beat := frames.Frame{From: "x", Kind: frames.Beat}
	forge(t, nc, subjectAlive, "", beat)
	wstest.Eventually(t, "x is known", func() bool { return slices.Contains(a.alive(), "x") })
	got := make(chan error, 1)
	a.Count("r", func(_, _ int, err error) { got <- err })
	if _, err := sub.NextMsg(wstest.Patience); err != nil {
		t.Fatal(err)
	}
	forge(t, nc, subjectAlive, "", beat)
	if err := receive(t, got); !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "node x does not answer") {
		t.Error(err)
	}
}

// TestNewerNode checks that nodes of different versions tell each other so.
func TestNewerNode(t *testing.T) {
	s := startServer(t)
	var log wstest.Log
	a := start(t, s, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	nc := connect(t, s)
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	ask := frames.Append(nil, &frames.Frame{From: "x", Kind: frames.Count})
	ask[0]++
	if err := nc.PublishRequest(subjectAsk, inbox, ask); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(wstest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := frames.Decode(m.Data); err != nil || f.Kind != frames.Refusal || !strings.Contains(string(f.Body), "newer version") {
		t.Errorf("%+v, %v", f, err)
	}
	wstest.Eventually(t, "the log says so", func() bool { return strings.Contains(log.String(), "newer version") })
	if !slices.Contains(a.alive(), "x") {
		t.Error("a newer node is not known")
	}
}

// TestRefusal checks that the error of a node arrives.
func TestRefusal(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{Patience: time.Hour})
	nc := connect(t, s)
	sub, err := nc.SubscribeSync(subjectAsk)
	if err != nil {
		t.Fatal(err)
	}
	forge(t, nc, subjectAlive, "", frames.Frame{From: "x", Kind: frames.Beat})
	wstest.Eventually(t, "x is known", func() bool { return slices.Contains(a.alive(), "x") })
	got := make(chan error, 1)
	a.Members("r", 10, func(_ []engine.Author, err error) { got <- err })
	m, err := sub.NextMsg(wstest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	forge(t, nc, m.Reply, "", frames.Frame{From: "x", Kind: frames.Refusal, Body: []byte("no")})
	if err := receive(t, got); err == nil || !strings.Contains(err.Error(), "node x: no") {
		t.Error(err)
	}
}

// TestAway checks what happens while the connection is lost, and afterwards.
func TestAway(t *testing.T) {
	a, b, c := three(t, Config{Patience: time.Hour})
	for _, n := range []*node{a, b, c} {
		n.has("r", &members{users: []string{n.ID()}})
	}
	h, stuck := &hub{}, &hub{hold: make(chan bool)}
	a.AddNode(h)
	b.AddNode(stuck)
	done := make(chan error, 1)
	a.SendControl(engine.ControlMessage{Kind: 3}, func(err error) { done <- err })
	wstest.Eventually(t, "the message is applied", func() bool { return h.times() == 1 })
	a.Lost()
	if err := receive(t, done); !errors.Is(err, engine.ErrUnconfirmed) {
		t.Errorf("%v", err)
	}
	close(stuck.hold)
	if got := a.count(t, "r"); !errors.Is(got.err, engine.ErrUnavailable) {
		t.Errorf("%+v", got)
	}
	if got := a.list(t, "r", 10); !errors.Is(got.err, engine.ErrUnavailable) {
		t.Errorf("%+v", got)
	}
	if err := a.control(t, engine.ControlMessage{Kind: 3}); !errors.Is(err, engine.ErrUnconfirmed) || !errors.Is(err, engine.ErrUnavailable) || h.times() != 2 {
		t.Errorf("%v, applied %d times", err, h.times())
	}
	if err := a.Back(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := a.count(t, "r"); got.err != nil || got.clients != 3 || got.users != 3 {
		t.Errorf("%+v", got)
	}
}

// TestOneQuestionForManyCallers checks that callers share a question about the same room.
func TestOneQuestionForManyCallers(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{Patience: time.Hour})
	nc := connect(t, s)
	sub, err := nc.SubscribeSync(subjectAsk)
	if err != nil {
		t.Fatal(err)
	}
	forge(t, nc, subjectAlive, "", frames.Frame{From: "x", Kind: frames.Beat})
	wstest.Eventually(t, "x is known", func() bool { return slices.Contains(a.alive(), "x") })
	const n = 50
	got := make(chan count, n)
	for range n {
		a.Count("r", func(clients, users int, err error) { got <- count{clients: clients, users: users, err: err} })
	}
	m, err := sub.NextMsg(wstest.Patience)
	if err != nil {
		t.Fatal(err)
	}
	forge(t, nc, m.Reply, "", frames.Frame{From: "x", Kind: frames.Answer, Body: frames.AppendCounted(nil, frames.Counted{Clients: 3, Users: 2})})
	for range n {
		if c := receive(t, got); c.err != nil || c.clients != 3 || c.users != 2 {
			t.Errorf("%+v", c)
		}
	}
	if n, _, err := sub.Pending(); err != nil || n > 0 {
		t.Errorf("%d more questions, %v", n, err)
	}
}

// TestTooManyQuestions checks the limit of questions in flight.
func TestTooManyQuestions(t *testing.T) {
	s := startServer(t)
	a := start(t, s, Config{Patience: time.Hour})
	forge(t, connect(t, s), subjectAlive, "", frames.Frame{From: "x", Kind: frames.Beat})
	wstest.Eventually(t, "x is known", func() bool { return slices.Contains(a.alive(), "x") })
	ends := make(chan error, maxQuestions+1)
	for i := range maxQuestions + 1 {
		a.Count(fmt.Sprint(i), func(_, _ int, err error) { ends <- err })
	}
	if err := receive(t, ends); !errors.Is(err, errBusy) {
		t.Error(err)
	}
	a.gone("x", true)
	for range maxQuestions {
		if err := receive(t, ends); err != nil {
			t.Fatal(err)
		}
	}
	if a.bytes != 0 || len(a.asked) != 0 {
		t.Errorf("%d bytes and %d questions are left", a.bytes, len(a.asked))
	}
}

// TestParts checks that an answer of which a part is lost does not count.
func TestParts(t *testing.T) {
	c := New(nil, Config{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	q := &question{waits: map[string]bool{"x": true}, parts: map[string][]byte{}, next: map[string]uint16{}, over: map[string]bool{}}
	for _, f := range []frames.Frame{{Part: 0, More: true, Body: []byte("a")}, {Part: 2, Body: []byte("c")}, {Part: 0, More: true, Body: []byte("a")}, {Part: 1, Body: []byte("b")}} {
		if len(q.got) > 0 {
			t.Fatal("an answer without its middle counts")
		}
		f.From, f.Kind = "x", frames.Answer
		if err := c.addLocked(q, f); err != nil {
			t.Fatal(err)
		}
	}
	if len(q.got) != 1 || string(q.got[0].body) != "ab" || len(q.waits) > 0 || q.bytes != 2 {
		t.Errorf("%+v", q)
	}
	if err := c.addLocked(q, frames.Frame{From: "y", More: true, Body: make([]byte, maxAnswer)}); !errors.Is(err, errLarge) {
		t.Error(err)
	}
}
