package live

import (
	"errors"
	"net/netip"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// enter authenticates a connection. While the key of a token is being fetched, the connection
// is not read.
func (f *Feed) enter(w *watcher, q request) {
	if q.Key != nil {
		if w.key = f.cfg.Guard.Find(*q.Key); !f.mayWatch(w, nil) {
			f.deny(w, "the key is wrong")
			return
		}
		f.admit(w, nil)
		return
	}
	judged := w.conn.Later()
	f.cfg.Hub.Judge().Identify(*q.Token, w.addr(), func(who *token.Identity, err error) {
		defer judged()
		switch {
		case errors.Is(err, wire.ErrInternal):
			f.deny(w, "the token cannot be verified now: try again")
		case err != nil:
			f.deny(w, "the token is invalid or has expired")
		case !f.mayWatch(w, who):
			f.deny(w, "the token's role is not moderator or admin in all rooms")
		default:
			f.admit(w, who)
		}
	})
}

// mayWatch reports whether a watcher with a token, or with a key if who is nil, may see the live picture now.
func (f *Feed) mayWatch(w *watcher, who *token.Identity) bool {
	if who == nil {
		return w.key != nil && f.cfg.Guard.IsKey(w.key.Secret)
	}
	return f.cfg.Hub.Judge().Refusal(f.cfg.Hub.Judge().Request(who, w.addr(), policy.ActWatch, "")) == nil
}

// deny closes a connection that may not watch.
func (f *Feed) deny(w *watcher, why string) { w.end(f, CodeDenied, why) }

// end closes the connection of a watcher, or of a client that has not become one, and logs why: one line for each
// reason and interval, so that somebody who tries thousands of keys cannot fill the log.
func (w *watcher) end(f *Feed, code ws.StatusCode, why string) {
	f.told.Warn("live: refused a watcher: "+why, "addr", w.address(), "code", int(code))
	_ = w.conn.Close(code, why)
}

// refuse refuses a handshake, and logs that.
func (f *Feed) refuse(r *netpoll.Request, status int, why string) {
	f.told.Warn("live: refused a handshake", "reason", why, "status", status, "addr", netpoll.RemoteText(r.Remote()))
	r.Refuse(status, why)
}

// admit makes the connection a watcher and sends it the past figures and the counts of all nodes. It does all of that under
// the lock, so that the past arrives before the next figures, and no figures are missing
// between the two.
func (f *Feed) admit(w *watcher, who *token.Identity) {
	greeting := helloMessage{hello{Node: f.cfg.Hub.Node(), Version: f.cfg.Version, Every: f.cfg.Every.Milliseconds()}}
	if f.cfg.Methods != nil {
		greeting.Hello.Methods = f.cfg.Methods(w.conn)
	}
	f.mu.Lock()
	if w.gone || w.place == nil { // it has ended, or gave way while its token was verified
		f.mu.Unlock()
		return
	}
	f.stopWaitingLocked(w)
	w.who = who
	if !f.places.Take(w.payer(), 1) {
		f.mu.Unlock()
		w.end(f, CodeFull, "there are too many watchers, or you have reached the limit of one user")
		return
	}
	f.send(w, greeting)
	f.send(w, pastMessage{f.past})
	if f.nodes.All != nil {
		f.send(w, nodesMessage{f.nodes})
	}
	f.watchers[w] = struct{}{}
	w.in = true
	f.mu.Unlock()
	user := ""
	if who != nil {
		user = who.User
	}
	f.cfg.Logger.Info("live: a watcher has joined", "addr", w.address(), "user", user, "by key", who == nil)
}

// send sends a message to one watcher. If that fails, the connection ends and netpoll calls
// Close.
func (f *Feed) send(w *watcher, message any) {
	if one, err := frame(message); err == nil {
		_ = w.conn.PushFrame(one)
	} else {
		f.cfg.Logger.Error("live: a message cannot be encoded", "err", err)
	}
}

// addr returns the address that bans by address compare.
func (w *watcher) addr() netip.Addr {
	info, _ := w.conn.Info()
	return info.Remote.Addr().Unmap().WithZone("")
}

// address returns the address of a watcher as text.
func (w *watcher) address() string {
	info, _ := w.conn.Info()
	return netpoll.RemoteText(info.Remote)
}
