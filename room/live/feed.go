package live

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room"
	"webim/room/apikey"
	"webim/room/budget"
	"webim/room/flight"
	"webim/room/judge"
	"webim/room/token"
)

// Config holds the settings of a Feed. Hub and Guard are required.
type Config struct {
	Hub   *room.Hub
	Guard *apikey.Guard
	// Version is the server's version, shown to watchers.
	Version string
	// Methods returns the methods of the server API that can be called on the listener of a
	// connection; nil means none.
	Methods func(c netpoll.Conn) []string
	// Flights has the ends of connections, for watchers with a key; nil: none are shown.
	Flights *flight.Recorder
	// MaxWatchers limits the watchers, and separately the connections that have not yet
	// authenticated; 0 means 64. A user with a token has a share of the watchers (budget.Pool).
	// If there are too many unauthenticated connections, the oldest one of the address with the
	// most is closed. Both are closed with CodeFull.
	MaxWatchers int
	// Timeout is the time limit for authentication; 0 means 10 s.
	Timeout time.Duration
	// Every is the interval of figures while somebody watches; 0 means 1 s.
	Every time.Duration
	// Past is the number of figures kept for later watchers; 0 means 600.
	Past int
	// Logger logs the watchers; nil means slog.Default().
	Logger *slog.Logger
}

// Feed is the netpoll.Handler of the connections at FeedPath, for one server or several. It
// refuses all other connections.
type Feed struct {
	cfg   Config
	told  *ratelog.Logger
	shown *netpoll.Server
	idle  int64    // the resident set at Start, in bytes
	last  *reading // of the previous tick; nil if nobody watched; used only by tick
	ticks int      // since somebody watches; used only by tick

	finding sync.Mutex // held during a find: each one is a walk
	began   time.Time
	places  *budget.Pool // of the watchers; a watcher with a key belongs to the server

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	waiting  *budget.Queue[*watcher] // unauthenticated connections, by address
	past     []Figures
	nodes    nodes // the last answer of all nodes; zero if there is none
	asking   bool  // a question to all nodes is under way
}

// watcher is a connection of the feed, and its netpoll data.
type watcher struct {
	conn  netpoll.Conn
	timer *netpoll.Timer  // closes the connection if it does not authenticate in time
	who   *token.Identity // nil if it has a key
	key   *apikey.Key     // nil if it has a token
	finds budget.Bucket   // the level of findRate

	// Guarded by Feed.mu.
	place    *budget.Item[*watcher] // in Feed.waiting; nil if it no longer waits
	in, gone bool                   // it watches; it has ended
}

// payer returns the owner that pays for the watcher.
func (w *watcher) payer() budget.Owner {
	if w.who == nil {
		return budget.Owner{}
	}
	return budget.User(w.who.User)
}

// New returns a Feed. The error names the missing setting.
func New(cfg Config) (*Feed, error) {
	if cfg.Hub == nil || cfg.Guard == nil {
		return nil, errors.New("live: Config.Hub or Config.Guard is missing")
	}
	cfg.MaxWatchers = cmp.Or(cfg.MaxWatchers, 64)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Every = cmp.Or(cfg.Every, time.Second)
	cfg.Past = cmp.Or(cfg.Past, 600)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	most := int64(cfg.MaxWatchers)
	return &Feed{cfg: cfg, told: ratelog.New(cfg.Logger), watchers: map[*watcher]struct{}{}, began: time.Now(), places: budget.NewPool(most), waiting: budget.NewQueue[*watcher](most)}, nil
}

// Start sets the server to show, which is the hub's, and the server with the timers to use,
// which should be the one that closes last. Call Start before any server of the feed listens.
func (f *Feed) Start(shown, by *netpoll.Server) {
	f.shown, f.idle = shown, resident()
	by.Tick(f.cfg.Every, f.tick)
}

// Owns reports whether c, a connection that is open or in its Close, belongs to the feed.
func (f *Feed) Owns(c netpoll.Conn) bool { return watcherOf(c) != nil }

func watcherOf(c netpoll.Conn) *watcher {
	w, _ := c.Data().(*watcher)
	return w
}

// Handshake refuses other paths, unknown host names, which an attacker may have pointed at this
// server, and pages of other sites.
func (f *Feed) Handshake(r *netpoll.Request) {
	path, ok := r.Path()
	switch {
	case !ok || path != FeedPath:
		f.refuse(r, http.StatusNotFound, "there is no WebSocket at this path: the feed is at "+FeedPath)
	case !f.cfg.Guard.KnowsHost(r.Host()):
		f.refuse(r, http.StatusMisdirectedRequest, "this server is not configured for that host name")
	case r.Origin() != "" && !netpoll.SameOrigin(r):
		f.refuse(r, http.StatusForbidden, "only the page of this server may watch")
	}
}

// Open starts the time limit for authentication. Anybody can open connections and stay silent,
// so a new connection is never refused because of silent ones: an operator authenticates at
// once.
func (f *Feed) Open(c netpoll.Conn, _ *netpoll.Request) {
	w := &watcher{conn: c}
	c.SetData(w)
	f.mu.Lock()
	w.place = f.waiting.Push(budget.Addr(w.addr()), w)
	over := f.waiting.Overflow()
	if over != nil {
		f.stopWaitingLocked(over.Value)
	}
	f.mu.Unlock()
	if over != nil {
		over.Value.end(f, CodeFull, "too many connections wait for authentication: try again")
	}
	w.timer = c.Server().After(f.cfg.Timeout, func() {
		f.mu.Lock()
		late := !w.in
		f.mu.Unlock()
		if late {
			w.end(f, CodeLate, "you did not authenticate in time")
		}
	})
}

// Message handles the authentication of a connection, or a search.
func (f *Feed) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	w := watcherOf(c)
	q, ok := parse(op, data)
	f.mu.Lock()
	in := w.in
	f.mu.Unlock()
	switch {
	case !ok || in != (q.Find != nil || q.Trace != nil):
		w.end(f, CodeBadRequest, "authenticate first, once, and then send find requests")
	case q.Trace != nil:
		f.trace(w, q.Trace)
	case in:
		f.find(w, *q.Find)
	default:
		f.enter(w, q)
	}
}

// Close removes the watcher.
func (f *Feed) Close(c netpoll.Conn, _ netpoll.Closed) {
	w := watcherOf(c)
	if w.timer != nil {
		w.timer.Stop()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopWaitingLocked(w)
	if w.in {
		f.places.Add(w.payer(), -1)
	}
	w.in, w.gone = false, true
	delete(f.watchers, w)
}

func (f *Feed) stopWaitingLocked(w *watcher) {
	if w.place != nil {
		f.waiting.Remove(w.place)
		w.place = nil
	}
}

// tick takes the figures and sends them, if anybody watches. The first tick only reads the
// counters, for the next tick to compare. Its cost depends on the picture and not on the number
// of watchers: it walks over the rooms once for watchers with a key and once for those with a
// token, and encodes each message once.
func (f *Feed) tick() {
	keys, tokens := f.watching()
	if !keys && !tokens {
		f.last, f.ticks = nil, 0
		f.endTrace()
		return
	}
	f.askNodes()
	f.markTraced()
	r, before := f.read(), f.last
	f.last = r
	f.Rejudge()
	if before == nil {
		return
	}
	m := nowMessage{Now: r.figures(before, f.idle)}
	if m.Now.Lagging > 0 {
		m.Slowest = clientsJSON(f.slowest(tops))
	}
	var byKey, byToken *netpoll.Frame
	if keys {
		m.Trace = f.traceView()
		byKey = f.frameOf(m, nil)
		m.Trace = nil
	}
	if tokens {
		byToken = f.frameOf(m, judge.ShownToModerators) // like the server API, which hides private rooms from moderators
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.past = append(f.past, m.Now); len(f.past) > f.cfg.Past {
		f.past = slices.Delete(f.past, 0, len(f.past)-f.cfg.Past)
	}
	for w := range f.watchers {
		all := byKey
		if w.who != nil {
			all = byToken
		}
		if all != nil { // nil: the watcher has just joined, or there was an error
			_ = w.conn.PushFrame(all) // on an error the connection ends, and netpoll calls Close
		}
	}
}

// watching reports whether anybody watches with a key, and whether anybody watches with a
// token. If nobody watches at all, it clears the past and the counts of the nodes.
func (f *Feed) watching() (keys, tokens bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		keys, tokens = keys || w.who == nil, tokens || w.who != nil
	}
	if !keys && !tokens {
		f.past, f.nodes = nil, nodes{}
	}
	return keys, tokens
}

// frameOf encodes the figures of a second with the largest rooms that shown permits. If that
// fails, it logs the error and returns nil.
func (f *Feed) frameOf(m nowMessage, shown func(room string) bool) *netpoll.Frame {
	m.Largest = roomsJSON(f.largest(tops, shown))
	all, err := frame(m)
	if err != nil {
		f.cfg.Logger.Error("live: the figures cannot be encoded", "err", err)
		return nil
	}
	return all
}

// tops is the number of largest rooms, and of slowest connections, in a message.
const tops = 10

// Rejudge closes the watchers with a key or a token that is no longer valid. It is called after the keys of
// Config.Guard have changed; the feed also does it once a second. Any goroutine may call it.
func (f *Feed) Rejudge() {
	f.mu.Lock()
	var over []*watcher
	for w := range f.watchers {
		if !f.mayWatch(w, w.who) {
			over = append(over, w)
			delete(f.watchers, w)
		}
	}
	f.mu.Unlock()
	for _, w := range over {
		w.end(f, CodeEnded, "the key or the token is no longer valid")
	}
}

// lossy replaces invalid UTF-8 in names instead of failing.
var lossy = jsontext.AllowInvalidUTF8(true)
