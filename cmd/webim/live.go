package main

import (
	"net/http"
	"strings"

	"github.com/gobwas/ws"

	"webim/cmd/webim/internal/version"
	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room/api"
	"webim/room/live"
	"webim/room/mux"
	"webim/web"
)

// livePrefix is the path of the page of the live picture.
const livePrefix = "/live/"

// newFeed creates the feed of the live picture.
func (p *program) newFeed() (err error) {
	p.feed, err = live.New(live.Config{Hub: p.hub, Flights: p.flights, Guard: p.guard, Version: "webim " + version.Release, Logger: p.log,
		Methods: func(c netpoll.Conn) []string {
			if !p.guard.HasKeys() || c.Server() == p.server && !p.apiOutside() {
				return nil // this server does not serve the API
			}
			return api.Methods()
		}})
	return err
}

// startFeed tells the feed which server it shows, and which server outlives it, before anybody
// can connect.
func (p *program) startFeed() {
	by := p.server
	if p.inner != nil {
		by = p.inner.server
	}
	p.feed.Start(p.server, by)
}

// liveOver returns a handler that serves the page of the live picture and passes all other
// paths to rest. It refuses requests for unknown host names, because the page asks for a key:
// an attacker may have pointed another name at this server (DNS rebinding).
func (p *program) liveOver(rest http.Handler) http.Handler {
	told := ratelog.New(p.log)
	page := http.StripPrefix(strings.TrimSuffix(livePrefix, "/"), web.Live())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path+"/" != livePrefix && !strings.HasPrefix(r.URL.Path, livePrefix):
			rest.ServeHTTP(w, r)
		case !p.guard.KnowsHost(r.Host):
			told.Warn("live: refused a request for another server", "status", http.StatusMisdirectedRequest, "host", r.Host[:min(len(r.Host), 200)], "see", "api_host", "addr", r.RemoteAddr)
			http.Error(w, "This server is not configured to be asked by that name.", http.StatusMisdirectedRequest)
		case r.URL.Path+"/" == livePrefix:
			// The address is relative, and http.Redirect would make it an absolute path. Below a
			// proxy's path prefix the page is not at /live/.
			w.Header().Set("Location", "live/")
			http.Error(w, "The address of this page ends with a slash.", http.StatusTemporaryRedirect)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

// liveHandler passes the connections of the feed to the feed, and all others to the handler
// of the hub (or loggedHandler). It is used only with --dev: so in production a room named live/feed stays
// available.
type liveHandler struct {
	*mux.Handler // for its other methods
	next         netpoll.Handler
	feed         *live.Feed
}

// Handshake passes the handshake for the feed's path to the feed, and all others to the handler of the hub.
func (h *liveHandler) Handshake(r *netpoll.Request) {
	if isFeed(r) {
		h.feed.Handshake(r)
	} else {
		h.Handler.Handshake(r)
	}
}

// Export keeps the connections of the feed in this process: their pages connect again.
func (h *liveHandler) Export(c netpoll.Conn, dst []byte) (data []byte, ok bool) {
	if h.feed.Owns(c) {
		return nil, false
	}
	return h.Handler.Export(c, dst)
}

// Stay tells the hub which of its connections stay.
func (h *liveHandler) Stay(c netpoll.Conn) {
	if !h.feed.Owns(c) {
		h.Handler.Stay(c)
	}
}

func isFeed(r *netpoll.Request) bool {
	path, ok := r.Path()
	return ok && path == live.FeedPath
}

// Open passes the connection to the feed or the handler of the hub.
func (h *liveHandler) Open(c netpoll.Conn, r *netpoll.Request) {
	if isFeed(r) {
		h.feed.Open(c, r)
	} else {
		h.next.Open(c, r)
	}
}

// Message passes the message to the feed or the handler of the hub.
func (h *liveHandler) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if h.feed.Owns(c) {
		h.feed.Message(c, op, data)
	} else {
		h.next.Message(c, op, data)
	}
}

// Close passes the end of the connection to the feed or the handler of the hub.
func (h *liveHandler) Close(c netpoll.Conn, why netpoll.Closed) {
	if h.feed.Owns(c) {
		h.feed.Close(c, why)
	} else {
		h.next.Close(c, why)
	}
}
