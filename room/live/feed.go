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
	"webim/room"
	"webim/room/api"
	"webim/room/budget"
	"webim/room/token"
)

// Config holds the settings of a Feed. Hub and Guard must be there.
type Config struct {
	Hub   *room.Hub
	Guard *api.Guard
	// Version is what watchers are told that they look at.
	Version string
	// Methods tells which methods of the server API can be called where a
	// connection came in; nil: none.
	Methods func(c netpoll.Conn) []string
	// MaxWatchers bounds the watchers, and apart from them the connections that have not
	// said yet who they are; 0: 64. A user whose token lets it watch has a share of the
	// first (budget.Pool). Of the others, which may be anybody's, the oldest one of the
	// address with the most is closed for a new one. Both are closed with CodeFull.
	MaxWatchers int
	// Timeout: who has not said by then who it is, is closed; 0: 10 s.
	Timeout time.Duration
	// Every is how often figures are made while somebody watches; 0: 1 s.
	Every time.Duration
	// Past is how many of them are kept for who comes later; 0: 600.
	Past int
	// Logger is told who watches; nil: slog.Default().
	Logger *slog.Logger
}

// Feed is the netpoll.Handler of the connections at FeedPath, of one server or
// several. It refuses all others.
type Feed struct {
	cfg   Config
	shown *netpoll.Server
	idle  int64    // the resident set at Start, in bytes
	last  *reading // of the tick before; nil: nobody watched; owned by the tick

	finding sync.Mutex // one at a time: each is a walk
	began   time.Time
	places  *budget.Pool // of watchers; what a key opens is the server's

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	waiting  *budget.Queue[*watcher] // connections that have not said who they are, by address
	past     []Figures
	denied   int       // since the log was told
	told     time.Time // when it was
}

// watcher is a connection; it is its data.
type watcher struct {
	conn  netpoll.Conn
	timer *netpoll.Timer  // closes it, if it is late
	who   *token.Identity // nil: it has a key
	finds budget.Bucket   // what is left of findRate

	// Under Feed.mu.
	place    *budget.Item[*watcher] // among those that wait; nil: it waits no longer
	in, gone bool                   // watches; has ended
}

// payer is the owner of a watcher's place.
func (w *watcher) payer() budget.Owner {
	if w.who == nil {
		return budget.Owner{}
	}
	return budget.User(w.who.User)
}

// New makes a Feed. The error says which setting is wrong.
func New(cfg Config) (*Feed, error) {
	if cfg.Hub == nil || cfg.Guard == nil {
		return nil, errors.New("live: there is no hub, or no guard")
	}
	cfg.MaxWatchers = cmp.Or(cfg.MaxWatchers, 64)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Every = cmp.Or(cfg.Every, time.Second)
	cfg.Past = cmp.Or(cfg.Past, 600)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	most := int64(cfg.MaxWatchers)
	return &Feed{cfg: cfg, watchers: map[*watcher]struct{}{}, began: time.Now(), places: budget.NewPool(most), waiting: budget.NewQueue[*watcher](most)}, nil
}

// Start says which server is shown, the hub's, and which one's timers it is shown
// by: the one that ends last. It comes before any server of the feed listens.
func (f *Feed) Start(shown, by *netpoll.Server) {
	f.shown, f.idle = shown, resident()
	by.Tick(f.cfg.Every, f.tick)
}

// Owns reports whether an open connection, or one in its Close, is the feed's.
func (f *Feed) Owns(c netpoll.Conn) bool { return watcherOf(c) != nil }

func watcherOf(c netpoll.Conn) *watcher {
	w, _ := c.Data().(*watcher)
	return w
}

// Handshake refuses what is not for the feed: other paths, names that somebody may
// have pointed here, and pages of other sites.
func (f *Feed) Handshake(r *netpoll.Request) {
	path, ok := r.Path()
	switch {
	case !ok || path != FeedPath:
		r.Refuse(http.StatusNotFound, "there is no such socket here: the feed is at "+FeedPath)
	case !f.cfg.Guard.KnowsHost(r.Host()):
		r.Refuse(http.StatusMisdirectedRequest, "this server is not configured to be asked by that name")
	case r.Origin() != "" && !netpoll.SameOrigin(r):
		r.Refuse(http.StatusForbidden, "only the page of this server may watch")
	}
}

// Open gives the connection its time to say who it is. Anybody can open connections that
// say nothing, so a new one is never refused because of those: an operator says at once
// who it is.
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
		_ = over.Value.conn.Close(CodeFull, "too many are about to watch: try again")
	}
	w.timer = c.Server().After(f.cfg.Timeout, func() {
		f.mu.Lock()
		late := !w.in
		f.mu.Unlock()
		if late {
			_ = c.Close(CodeLate, "say in time who you are")
		}
	})
}

// Message is who a watcher is, or what it wants to know.
func (f *Feed) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	w := watcherOf(c)
	q, ok := parse(op, data)
	f.mu.Lock()
	in := w.in
	f.mu.Unlock()
	switch {
	case !ok || in != (q.Find != nil):
		_ = c.Close(CodeBadRequest, "say who you are, once, then what you want to find")
	case in:
		f.find(w, *q.Find)
	default:
		f.enter(w, q)
	}
}

// Close ends the watching.
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

// tick makes figures and sends them, if anybody watches. The first one only reads
// the counters, for the next to compare. What it costs depends on what is shown, and not
// on how many watch: there is one walk over the rooms for those with a key and one for
// those with a token, and each message is encoded once.
func (f *Feed) tick() {
	keys, tokens := f.watching()
	if !keys && !tokens {
		f.last = nil
		return
	}
	r, before := f.read(), f.last
	f.last = r
	f.dismiss()
	if before == nil {
		return
	}
	m := nowMessage{Now: r.figures(before, f.idle)}
	if m.Now.Lagging > 0 {
		m.Slowest = clientsJSON(f.cfg.Hub.Slowest(tops))
	}
	var byKey, byToken *netpoll.Frame
	if keys {
		byKey = f.frameOf(m, nil)
	}
	if tokens {
		byToken = f.frameOf(m, room.ShownToModerators) // as the server API hides private rooms from moderators
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
		if all != nil { // nil: it has just come, or there was an error
			_ = w.conn.PushFrame(all) // an error is its end, which Close is told
		}
	}
}

// watching says whether anybody with a key watches, and anybody with a token. If nobody
// does, the past is forgotten.
func (f *Feed) watching() (keys, tokens bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		keys, tokens = keys || w.who == nil, tokens || w.who != nil
	}
	if !keys && !tokens {
		f.past = nil
	}
	return keys, tokens
}

// frameOf encodes a second's figures with the largest rooms that are shown; nil: it
// could not, and the log says why.
func (f *Feed) frameOf(m nowMessage, shown func(room string) bool) *netpoll.Frame {
	m.Largest = roomsJSON(f.cfg.Hub.Largest(tops, shown))
	all, err := frame(m)
	if err != nil {
		f.cfg.Logger.Error("live: the figures cannot be sent", "err", err)
		return nil
	}
	return all
}

// tops is how many of the largest and of the slowest are shown.
const tops = 10

// dismiss closes those whose token is good no more.
func (f *Feed) dismiss() {
	f.mu.Lock()
	var over []*watcher
	for w := range f.watchers {
		if w.who != nil && !f.cfg.Hub.IsOperator(w.who, w.addr()) {
			over = append(over, w)
			delete(f.watchers, w)
		}
	}
	f.mu.Unlock()
	for _, w := range over {
		_ = w.conn.Close(CodeEnded, "the token has run out, or is good no more")
	}
}

// lossy lets names that are no UTF-8 through, with replacements.
var lossy = jsontext.AllowInvalidUTF8(true)
