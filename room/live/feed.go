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
	// MaxWatchers bounds those who watch, and apart from them those who have not
	// said yet who they are; 0: 64. Above it: 503, or CodeFull.
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

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	waiting  int // connections that have not said who they are
	past     []Figures
	denied   int       // since the log was told
	told     time.Time // when it was
}

// watcher is a connection; it is its data.
type watcher struct {
	conn  netpoll.Conn
	timer *netpoll.Timer  // closes it, if it is late
	who   *token.Identity // nil: it has a key

	// Under Feed.mu.
	in, gone bool // watches; has ended
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
	return &Feed{cfg: cfg, watchers: map[*watcher]struct{}{}}, nil
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
	case f.crowded():
		r.Refuse(http.StatusServiceUnavailable, "too many are about to watch: try again")
	}
}

func (f *Feed) crowded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting >= f.cfg.MaxWatchers
}

// Open gives the connection its time to say who it is.
func (f *Feed) Open(c netpoll.Conn, _ *netpoll.Request) {
	w := &watcher{conn: c}
	c.SetData(w)
	f.mu.Lock()
	f.waiting++
	full := f.waiting > f.cfg.MaxWatchers
	f.mu.Unlock()
	if full {
		_ = c.Close(CodeFull, "too many are about to watch: try again")
		return
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
	if !w.in {
		f.waiting--
	}
	w.in, w.gone = false, true
	delete(f.watchers, w)
}

// tick makes figures and sends them, if anybody watches. The first one only reads
// the counters, for the next to compare.
func (f *Feed) tick() {
	f.mu.Lock()
	nobody := len(f.watchers) == 0
	if nobody {
		f.past = nil
	}
	f.mu.Unlock()
	if nobody {
		f.last = nil
		return
	}
	r, before := f.read(), f.last
	f.last = r
	f.dismiss()
	if before == nil {
		return
	}
	m := nowMessage{Now: r.figures(before, f.idle), Largest: roomsJSON(f.cfg.Hub.Largest(tops, nil))}
	if m.Now.Lagging > 0 {
		m.Slowest = clientsJSON(f.cfg.Hub.Slowest(tops))
	}
	byKey, err := frame(m)
	m.Largest = roomsJSON(f.cfg.Hub.Largest(tops, room.ShownToModerators))
	byToken, failed := frame(m)
	if err = errors.Join(err, failed); err != nil {
		f.cfg.Logger.Error("live: the figures cannot be sent", "err", err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.past = append(f.past, m.Now); len(f.past) > f.cfg.Past {
		f.past = slices.Delete(f.past, 0, len(f.past)-f.cfg.Past)
	}
	for w := range f.watchers {
		all := byKey
		if w.who != nil {
			all = byToken // as the server API hides private rooms from moderators
		}
		_ = w.conn.PushFrame(all) // an error is its end, which Close is told
	}
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
