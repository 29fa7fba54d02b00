package control

import (
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/memory"
	"webim/room/identity"
	"webim/room/judge"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// The test kit: a server whose connections are in the room that their path names, as sessions that record
// the calls of their methods, or plainly.

func TestMain(m *testing.M) { wstest.Main(m) }

// session is a Session of a dialect without commands.
type session struct {
	identity.State
	conn netpoll.Conn
	id   string // of the client
	room string

	mu   sync.Mutex
	seen []string // the calls of its methods
}

func (s *session) Conn() netpoll.Conn                                    { return s.conn }
func (s *session) Encoding() wire.Encoding                               { return wire.JSON }
func (s *session) ClientID() string                                      { return s.id }
func (s *session) AuthorIn(string) engine.Author                         { return engine.Author{Client: s.id} }
func (s *session) Membership(room string) (m policy.Membership, in bool) { return m, room == s.room }
func (s *session) Rooms() []string                                       { return []string{s.room} }
func (s *session) Apply(m engine.ControlMessage)                         { s.saw("apply " + m.Reason) }
func (s *session) Leave(room string)                                     { s.saw("leave " + room) }
func (s *session) Rejudge()                                              { s.saw("rejudge") }
func (s *session) Disconnect(code wire.DisconnectCode)                   { s.saw(code.Text()) }

func (s *session) saw(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, what)
}

// take returns the calls since the last take.
func (s *session) take() (seen []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, s.seen = s.seen, nil
	return seen
}

// node is a Controller with a server.
type node struct {
	*Controller
	t      *testing.T
	addr   string
	posted []func() // that run does
	walked []string // the rooms that were walked
	log    *wstest.Log

	mu    sync.Mutex
	conns []netpoll.Conn
	rooms map[netpoll.ID]string
}

// start serves a node on an engine until the test ends. revoked may be nil.
func start(t *testing.T, e engine.Engine, revoked *token.Revoked) *node {
	t.Helper()
	n := &node{t: t, rooms: map[netpoll.ID]string{}, log: new(wstest.Log)}
	log := slog.New(slog.NewTextHandler(n.log, nil))
	m := moderation.New(moderation.Config{Engine: e, Publish: func(string, engine.Message, func(engine.Position, error)) {},
		StateOf: func(budget.Owner) engine.State { return e }, StateError: func(err error) error { return err }})
	j := judge.New(judge.Config{Options: func(string) *policy.Options { return &policy.Options{Rights: policy.OpenRights()} }, Moderator: m, Revoked: revoked, Log: ratelog.New(log)})
	n.Controller = New(Config{Engine: e, Judge: j, Moderator: m, Revoked: revoked, Conns: n.connsIn, Post: func(f func()) { n.posted = append(n.posted, f) }, Log: log})

	s := netpoll.New(netpoll.Config{PingInterval: -1, Logger: slog.New(slog.DiscardHandler)}, n)
	stop := n.Start(s)
	e.AddNode(n)
	a, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	n.addr = a.String()
	wstest.Serve(t, s, netpoll.ErrServerClosed)
	t.Cleanup(func() {
		e.RemoveNode(n)
		stop()
	})
	return n
}

// Info implements engine.Node.
func (n *node) Info(engine.Question) engine.NodeInfo { return engine.NodeInfo{} }

// Open implements netpoll.Handler. The path is /ROOM/USER for a plain connection, which has a token if USER
// is not empty, and /ROOM/USER/CLIENT for a session.
func (n *node) Open(c netpoll.Conn, r *netpoll.Request) {
	path, _ := r.Path()
	parts := strings.Split(path, "/")[1:]
	who := &token.Identity{User: parts[1], ID: "token of " + parts[1]}
	if len(parts) == 2 {
		c.SetTag(1)
		if who.User != "" {
			p := new(identity.Principal)
			p.Init(who, budget.Owner{})
			c.SetData(p)
			n.CountBearer(1)
		}
	} else {
		s := &session{conn: c, id: parts[2], room: parts[0]}
		s.Init(who, budget.Owner{})
		c.SetData(s)
		if err := n.Register(s); err != nil {
			s.saw(err.Error())
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, c)
	n.rooms[c.ID()] = parts[0]
}

// Message implements netpoll.Handler.
func (n *node) Message(netpoll.Conn, ws.OpCode, []byte) {}

// Close implements netpoll.Handler.
func (n *node) Close(c netpoll.Conn, _ netpoll.Closed) {
	if s := identity.SessionOf(c); s != nil {
		n.Unregister(s)
	}
}

// connsIn is Config.Conns.
func (n *node) connsIn(room string, plain bool) iter.Seq[netpoll.Conn] {
	n.walked = append(n.walked, room)
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Values(slices.DeleteFunc(slices.Clone(n.conns), func(c netpoll.Conn) bool {
		return n.rooms[c.ID()] != room || (identity.SessionOf(c) == nil) != plain
	}))
}

// run calls the posted functions.
func (n *node) run() {
	for len(n.posted) > 0 {
		f := n.posted[0]
		n.posted = n.posted[1:]
		f()
	}
}

// join opens a connection and returns its client and, if it has one, its session.
func (n *node) join(path string) (*wstest.Client, *session) {
	n.t.Helper()
	n.mu.Lock()
	at := len(n.conns)
	n.mu.Unlock()
	c := wstest.ConnectPath(n.t, n.addr, path)
	var conn netpoll.Conn
	wstest.Eventually(n.t, path+" is open", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		if len(n.conns) > at {
			conn = n.conns[at]
		}
		return len(n.conns) > at
	})
	s, _ := conn.Data().(*session)
	return c, s
}

// session is join for a session.
func (n *node) session(path string) *session {
	n.t.Helper()
	_, s := n.join(path)
	return s
}

// send sends a control message, and returns the error.
func (n *node) send(m engine.ControlMessage) (failed error) {
	n.t.Helper()
	calls := 0
	n.Send(m, func(err error) { failed, calls = err, calls+1 })
	if calls != 1 {
		n.t.Fatalf("done was called %d times", calls)
	}
	return failed
}

// saw checks the calls of a session since the last saw.
func (n *node) saw(s *session, want ...string) {
	n.t.Helper()
	if got := s.take(); !slices.Equal(got, want) {
		n.t.Errorf("the session %s saw %q, want %q", s.id, got, want)
	}
}

func newEngine() engine.Engine { return memory.New(memory.Limits{}) }
