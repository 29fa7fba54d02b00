package live

import (
	"errors"
	"net/netip"
	"time"

	"webim/netpoll"
	"webim/room/token"
	"webim/room/wire"
)

// enter judges who a connection says that it is. While the key of a token has to be
// fetched the connection is not read.
func (f *Feed) enter(w *watcher, q request) {
	if q.Key != nil {
		if !f.cfg.Guard.IsKey(*q.Key) {
			f.deny(w, "the key is wrong")
			return
		}
		f.admit(w, nil)
		return
	}
	judged := w.conn.Later()
	f.cfg.Hub.Identify(*q.Token, w.addr(), func(who *token.Identity, err error) {
		defer judged()
		switch {
		case errors.Is(err, wire.ErrInternal):
			f.deny(w, "the token cannot be judged now: try again")
		case err != nil:
			f.deny(w, "the token is not good, or has run out")
		case !f.cfg.Hub.IsOperator(who, w.addr()):
			f.deny(w, "the token's role is not moderator or admin in all rooms")
		default:
			f.admit(w, who)
		}
	})
}

// deny closes who may not watch. The log has one line a second of that at most: who
// tries thousands of keys does not fill it.
func (f *Feed) deny(w *watcher, why string) {
	f.mu.Lock()
	f.denied++
	now, times := time.Now(), f.denied
	tell := now.Sub(f.told) >= time.Second
	if tell {
		f.denied, f.told = 0, now
	}
	f.mu.Unlock()
	if tell {
		f.cfg.Logger.Warn("live: somebody may not watch", "addr", w.address(), "why", why, "times", times)
	}
	_ = w.conn.Close(CodeDenied, why)
}

// admit makes the connection a watcher, and shows it what others have seen. All that
// happens under the lock, so that the past comes before the next figures, and none
// of them is in neither.
func (f *Feed) admit(w *watcher, who *token.Identity) {
	greeting := helloMessage{hello{Node: f.cfg.Hub.Node(), Version: f.cfg.Version, Every: f.cfg.Every.Milliseconds()}}
	if f.cfg.Methods != nil {
		greeting.Hello.Methods = f.cfg.Methods(w.conn)
	}
	f.mu.Lock()
	if w.gone || w.place == nil { // it has ended, or had to go while its token was judged
		f.mu.Unlock()
		return
	}
	f.stopWaitingLocked(w)
	w.who = who
	if !f.places.Take(w.payer(), 1) {
		f.mu.Unlock()
		_ = w.conn.Close(CodeFull, "too many watch already, or you watch as often as one user may")
		return
	}
	f.send(w, greeting)
	f.send(w, pastMessage{f.past})
	f.watchers[w] = struct{}{}
	w.in = true
	f.mu.Unlock()
	user := ""
	if who != nil {
		user = who.User
	}
	f.cfg.Logger.Info("live: somebody watches", "addr", w.address(), "user", user, "by key", who == nil)
}

// send sends one watcher a message. An error is its end, which Close is told.
func (f *Feed) send(w *watcher, message any) {
	if one, err := frame(message); err == nil {
		_ = w.conn.PushFrame(one)
	} else {
		f.cfg.Logger.Error("live: a message cannot be sent", "err", err)
	}
}

// addr is the address that bans by address are judged by.
func (w *watcher) addr() netip.Addr {
	info, _ := w.conn.Info()
	return info.Remote.Addr().Unmap().WithZone("")
}

// address is where a watcher comes from.
func (w *watcher) address() string {
	info, _ := w.conn.Info()
	return netpoll.RemoteText(info.Remote)
}
