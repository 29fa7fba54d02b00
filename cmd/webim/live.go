package main

import (
	"net/http"
	"strings"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/ratelog"
	"webim/room"
	"webim/room/api"
	"webim/room/live"
	"webim/web"
)

// livePrefix is where the page of the live picture is.
const livePrefix = "/live/"

// newFeed makes what feeds the live picture, unless nobody could open it.
func (p *program) newFeed() (err error) {
	if len(p.apiKeys) == 0 && p.tokens == nil {
		return nil
	}
	if p.guard, err = api.NewGuard(p.apiKeys, p.cfg.APIHost); err != nil {
		return err
	}
	p.feed, err = live.New(live.Config{Hub: p.hub, Guard: p.guard, Version: "webim " + version, Logger: p.log,
		Methods: func(c netpoll.Conn) []string {
			if len(p.apiKeys) == 0 || c.Server() == p.server && !p.cfg.API {
				return nil // the API is not there
			}
			return api.Methods()
		}})
	return err
}

// startFeed says what is shown, before anybody can look. It is shown for as long as
// there is a server to do it.
func (p *program) startFeed() {
	switch {
	case p.feed == nil:
	case p.inner != nil:
		p.feed.Start(p.server, p.inner.server)
	default:
		p.feed.Start(p.server, p.server)
	}
}

// liveOver has the page of the live picture answered, and the rest by another. A name
// that somebody has pointed here gets nothing: the page asks for a key.
func (p *program) liveOver(rest http.Handler) http.Handler {
	told := ratelog.New(p.log)
	page := http.StripPrefix(strings.TrimSuffix(livePrefix, "/"), web.Live())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path+"/" != livePrefix && !strings.HasPrefix(r.URL.Path, livePrefix):
			rest.ServeHTTP(w, r)
		case !p.guard.KnowsHost(r.Host):
			told.Warn("live: a request for another name is refused", "status", http.StatusMisdirectedRequest, "host", r.Host[:min(len(r.Host), 200)], "see", "api_host", "addr", r.RemoteAddr)
			http.Error(w, "This server is not configured to be asked by that name.", http.StatusMisdirectedRequest)
		case r.URL.Path+"/" == livePrefix:
			// The address is relative, which http.Redirect would change: below the prefix
			// of a proxy the page is not at /live/.
			w.Header().Set("Location", "live/")
			http.Error(w, "This page has its address with a last slash.", http.StatusTemporaryRedirect)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

// liveHub is a hub, or the loggedHub before it, that shares its server with the feed:
// with --dev alone, so that a room that is called live/feed is lost to nobody else.
type liveHub struct {
	*room.Hub // for what it has besides
	next      netpoll.Handler
	feed      *live.Feed
}

// Handshake leaves the feed's path to it, and all others to the hub.
func (h *liveHub) Handshake(r *netpoll.Request) {
	if h.isFeed(r) {
		h.feed.Handshake(r)
	} else {
		h.Hub.Handshake(r)
	}
}

func (h *liveHub) isFeed(r *netpoll.Request) bool {
	path, ok := r.Path()
	return ok && path == live.FeedPath
}

// Open goes on to the feed or the hub.
func (h *liveHub) Open(c netpoll.Conn, r *netpoll.Request) {
	if h.isFeed(r) {
		h.feed.Open(c, r)
	} else {
		h.next.Open(c, r)
	}
}

// Message goes on to the feed or the hub.
func (h *liveHub) Message(c netpoll.Conn, op ws.OpCode, data []byte) {
	if h.feed.Owns(c) {
		h.feed.Message(c, op, data)
	} else {
		h.next.Message(c, op, data)
	}
}

// Close goes on to the feed or the hub.
func (h *liveHub) Close(c netpoll.Conn, why netpoll.Closed) {
	if h.feed.Owns(c) {
		h.feed.Close(c, why)
	} else {
		h.next.Close(c, why)
	}
}
