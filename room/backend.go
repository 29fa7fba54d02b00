package room

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/centrifugal/protocol"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/token"
	"webim/room/wire"
)

// Hook is a question that an application's backend may be asked.
type Hook uint8

// The hooks. HookDisconnect is no question but a notice.
const (
	HookConnect    Hook = iota // who is this, without a token?
	HookRefresh                // is this connection, which HookConnect let in, still good?
	HookSubscribe              // may it join this room, without a token for it?
	HookPublish                // may it say that there?
	HookRPC                    // a call that nobody else knows
	HookDisconnect             // it is gone
	NumHooks
)

var hookNames = [NumHooks]string{"connect", "refresh", "subscribe", "publish", "rpc", "disconnect"}

// String is the hook's name, as settings have it.
func (k Hook) String() string { return hookNames[k] }

// Backend is asked, and told, by the hub. What it answers takes the place of the
// rights table and of the connection's token, and of nothing else: rooms with #
// stay private, and bans, mutes, limits and rates hold. Connections of the plain
// dialect cannot wait for an answer: where one would be asked for they are not let
// in, and what they say is lost.
//
// All methods are safe for concurrent use and do not block.
type Backend interface {
	// Asks reports whether it is to be asked; room is "" for what is of none.
	Asks(k Hook, room string) bool
	// Ask asks. done is called once, from any goroutine but the caller's. An error
	// is a wire.ErrorCode or wire.DisconnectCode, with a sentence perhaps, or
	// ErrNoAnswer: then the hub goes on as if it had not been asked.
	Ask(q Inquiry, done func(Answer, error))
	// Left tells that a connection that had connected is gone.
	Left(d Departure)
	// Headers are the names of the handshake's headers that questions have.
	Headers() []string
}

// ErrNoAnswer: the backend does not answer, and is not to keep anybody for that.
var ErrNoAnswer = errors.New("room: the backend does not answer")

// Inquiry is what a backend is asked. Which fields mean something depends on the
// hook. Nothing of it is changed after it was asked.
type Inquiry struct {
	Hook     Hook
	Payer    budget.Owner // who asks, as shares are counted; of HookRefresh, which no client causes, nobody
	Client   string
	Encoding wire.Encoding
	Header   http.Header // of the handshake, those that Headers names

	User          string
	Meta          json.RawMessage // of the connection's token, or HookConnect's answer
	Room          string
	Data          []byte   // of the command; nil: none
	Method        string   // of an RPC
	Name, Version string   // of the client, as it says
	Channels      []string // rooms that it wants to be joined to by the server
}

// Answer is what a backend answers.
type Answer struct {
	User     string
	Expires  time.Time // of the connection, or the subscription; zero: never
	Expired  bool      // that time has come, or, HookRefresh, the connection has ended
	Info     []byte    // shown to others: of the connection, or the subscription
	Meta     []byte
	Data     []byte // for the client; of HookPublish: instead of what it said; nil: none
	Channels []token.Channel
	Override Override
	Skip     bool // HookPublish: not for the history
}

// Departure is a connection that is gone.
type Departure struct {
	Client, User string
	Rooms        []string // that it was in at the end
	Code         uint32   // of the close, as the client knows it
	Reason       string
	At           time.Time
}

// asking is what a session has only while a backend has to do with it.
type asking struct {
	header http.Header

	admitted   atomic.Bool // HookConnect let it in, and HookRefresh is asked when that ends
	refreshing atomic.Bool // it is being asked

	mu    sync.Mutex
	queue []func(next func()) // what has to keep the order of its commands
	done  func()              // reads the connection again; nil: it is read

	underWay int      // questions
	waiting  []func() // more of them
	release  func()   // as done, when none waits any more
}

// maxAsked is how many questions of one connection are under way: else one that
// joins all its rooms at once would take the places of all others.
const maxAsked = 16

// asks reports whether the backend is to be asked.
func (h *Hub) asks(k Hook, room string) bool {
	return h.cfg.Backend != nil && h.cfg.Backend.Asks(k, room)
}

// listenFor keeps the headers of a handshake that the backend wants.
func (s *session) listenFor(r *netpoll.Request) {
	b := s.hub.cfg.Backend
	if b == nil {
		return
	}
	s.asking = &asking{header: http.Header{}}
	for _, name := range b.Headers() {
		if value := r.Header(name); value != "" {
			s.asking.header.Set(name, value)
		}
	}
}

// ask asks the backend for the session, now or when it has had answers and the client
// has taken most of them. done is not called if the connection is gone before.
func (s *session) ask(q Inquiry, done func(Answer, error)) {
	who := s.who.Load()
	if q.Hook != HookRefresh {
		q.Payer = cmp.Or(s.payer, budget.Addr(addressOf(s.conn)))
	}
	q.Client, q.Encoding, q.Header, q.User, q.Meta = s.client(), s.enc, s.asking.header, who.User, who.Meta
	ask := func() {
		s.hub.cfg.Backend.Ask(q, func(a Answer, err error) {
			done(a, err)
			s.answered() // what done has answered is in the queue now
		})
	}
	a := s.asking
	a.mu.Lock()
	if a.underWay == maxAsked || len(a.waiting) > 0 {
		a.waiting = append(a.waiting, ask)
		if a.release == nil {
			a.release = s.conn.Later() // so what waits is no more than one message's commands
		}
		a.mu.Unlock()
		return
	}
	a.underWay++
	a.mu.Unlock()
	ask()
}

// answered notes that a question is answered.
func (s *session) answered() {
	s.asking.mu.Lock()
	s.asking.underWay--
	s.asking.mu.Unlock()
	s.askNext()
}

// askNext lets questions go that have waited. None goes while the queue of the
// connection is full: its answer may be large, and so all that a client can make wait is
// the answers to maxAsked questions. Hub.Drained calls it again.
func (s *session) askNext() {
	a := s.asking
	for {
		var ask, release func()
		a.mu.Lock()
		if !s.conn.Exists() {
			a.waiting = nil // nobody would hear of it
		}
		if len(a.waiting) > 0 && a.underWay < maxAsked && !s.conn.Crowded() {
			ask = a.waiting[0]
			a.waiting[0] = nil
			a.waiting = a.waiting[1:]
			a.underWay++
		}
		if len(a.waiting) == 0 {
			release, a.release = a.release, nil
		}
		a.mu.Unlock()
		if release != nil {
			release()
		}
		if ask == nil {
			return
		}
		ask()
	}
}

// inOrder has f run when those before it have called next. Meanwhile the
// connection is not read, so what waits is no more than one message's commands.
func (s *session) inOrder(f func(next func())) {
	a := s.asking
	a.mu.Lock()
	a.queue = append(a.queue, f)
	first := len(a.queue) == 1
	if first {
		a.done = s.conn.Later()
	}
	a.mu.Unlock()
	if first {
		f(s.nextInOrder)
	}
}

func (s *session) nextInOrder() {
	a := s.asking
	a.mu.Lock()
	a.queue[0] = nil
	a.queue = a.queue[1:]
	if len(a.queue) == 0 {
		done := a.done
		a.queue, a.done = nil, nil
		a.mu.Unlock()
		done()
		return
	}
	f := a.queue[0]
	a.mu.Unlock()
	s.hub.soon(func() { f(s.nextInOrder) })
}

// connectBy asks the backend who connects.
func (k *connecting) connectBy() {
	k.s.ask(Inquiry{Hook: HookConnect, Data: k.req.Data, Name: k.req.Name, Version: k.req.Version, Channels: names(k.req.Subs)},
		func(a Answer, err error) {
			k.s.hub.soon(func() {
				switch {
				case err == ErrNoAnswer:
					k.withoutToken()
					return
				case err != nil:
					k.err = err
				case a.Expired:
					k.err = wire.ErrExpired
				case IsGuest(a.User):
					k.s.hub.noteToken("connection", errGuestName)
					k.err = wire.DisconnectInvalidToken // that is nobody but guests
				default:
					k.who = &identity{User: a.User, Expires: a.Expires, Info: a.Info, Meta: a.Meta, Channels: a.Channels, IssuedAt: time.Now()}
					k.data = a.Data
					k.s.asking.admitted.Store(true)
					k.join()
					return
				}
				k.settle()
			})
		})
}

func names(subs map[string]*protocol.SubscribeRequest) (all []string) {
	for name := range subs {
		all = append(all, name)
	}
	return all
}

// subscribeBy asks the backend whether the session may join a room; without an
// answer the rights say it.
func (s *session) subscribeBy(id uint32, r *protocol.SubscribeRequest, opts *Options) error {
	wish, err := s.wish(r.Channel)
	if err != nil {
		return err
	}
	s.ask(Inquiry{Hook: HookSubscribe, Room: r.Channel, Data: r.Data}, func(a Answer, err error) {
		s.hub.soon(func() {
			switch err := s.stands(wish, err); {
			case err == ErrNoAnswer:
				if err := s.subscribeByRights(id, r, opts, s.mayJoin(r.Channel, opts, false)); err != nil {
					s.fail(id, err)
				}
			case err != nil:
				s.fail(id, err)
			case a.Expired:
				s.fail(id, wire.ErrExpired)
			case wire.Admit(s.enc, opts.Binary) != nil:
				s.disconnect(wire.DisconnectInappropriateProtocol)
			default:
				t := &token.Subscription{Channel: r.Channel, Info: a.Info, Expires: a.Expires}
				s.joinWith(id, r, a.Override.of(opts), t, 0, a.Data, true)
			}
		})
	})
	return nil
}

// publishBy asks the backend whether the session may say something, or what it
// says instead; without an answer the rights say it.
func (s *session) publishBy(id uint32, r *protocol.PublishRequest) {
	what := Saying{Room: r.Channel, Data: append([]byte(nil), r.Data...)}
	s.judgeBy(what, func() error { return s.rights(ActSend, what.Room) }, func(what Saying, err error) {
		if err != nil {
			s.fail(id, err)
			return
		}
		s.say(what, func(_ Position, err error) { s.published(id, err) })
	})
}

// judgeBy has the backend judge what the session wants to say, or, without an
// answer, rights. then gets what to say. It is not asked about what was said before:
// that is ErrRepeated. The order of what a client says is kept: one after the other
// is called, by an errand.
func (s *session) judgeBy(what Saying, rights func() error, then func(Saying, error)) {
	s.inOrder(func(next func()) {
		s.recall(what, func(_ Position, known bool, _ error) {
			if known {
				s.hub.soon(func() {
					defer next()
					then(what, ErrRepeated)
				})
				return
			}
			s.ask(Inquiry{Hook: HookPublish, Room: what.Room, Data: what.Data}, func(a Answer, err error) {
				s.hub.soon(func() {
					defer next()
					if err == ErrNoAnswer {
						err = rights()
					}
					what.said = what.Data
					if err == nil && a.Data != nil {
						what.Data = a.Data
					}
					what.Skip = what.Skip || a.Skip
					then(what, err)
				})
			})
		})
	})
}

// rpcBy has the backend answer a call.
func (s *session) rpcBy(id uint32, r *protocol.RPCRequest) {
	s.ask(Inquiry{Hook: HookRPC, Method: r.Method, Data: append([]byte(nil), r.Data...)}, func(a Answer, err error) {
		if err == ErrNoAnswer {
			err = wire.ErrNotAvailable
		}
		if err != nil {
			s.fail(id, err)
			return
		}
		s.answer(id, nil, &protocol.Reply{Rpc: &protocol.RPCResult{Data: a.Data}})
	})
}

// refreshBy asks the backend whether the connection is still good, instead of
// ending it; it reports whether that is so.
func (s *session) refreshBy() bool {
	if !s.refreshedByServer() || !s.hub.asks(HookRefresh, "") {
		return false
	}
	if !s.conn.Exists() || s.asking.refreshing.Swap(true) {
		return true
	}
	s.ask(Inquiry{Hook: HookRefresh}, func(a Answer, err error) {
		s.asking.refreshing.Store(false)
		var end wire.DisconnectCode
		switch {
		case errors.As(err, &end):
			s.end(err)
		case s.mayAskAgain(err):
			s.hub.due.add(time.Now().Add(time.Second), s.look)
		case err != nil || a.Expired: // whatever the policy: a right that has ended needs a yes
			s.noteRefusal(nil, wire.DisconnectExpired)
			s.disconnect(wire.DisconnectExpired)
		default:
			s.refreshed(Order{Kind: OrderRefresh, Expires: a.Expires, Info: a.Info})
		}
	})
	return true
}

// mayAskAgain reports whether the backend, which gave no answer, is asked again:
// while the grace lasts that a client would have.
func (s *session) mayAskAgain(err error) bool {
	silent := errors.Is(err, wire.ErrInternal) || errors.Is(err, wire.ErrTooManyRequests)
	end := s.hub.dueAt(s.who.Load().Expires, false) // zero: meanwhile the server API has refreshed it
	return silent && (end.IsZero() || time.Now().Before(end))
}

// departed tells the backend that a connection is gone.
func (h *Hub) departed(a Author, rooms []string, why netpoll.Closed) {
	h.cfg.Backend.Left(Departure{Client: a.Client, User: a.User, Rooms: rooms, Code: uint32(why.Code), Reason: why.Reason, At: time.Now()})
}

// tellDeparture tells it of those that were in.
func (h *Hub) tellDeparture(c netpoll.Conn, why netpoll.Closed) {
	if m, ok := h.Member(c); ok {
		h.departed(authorOf(c), []string{m.Room.name}, why)
	} else if s := sessionOf(c); s != nil && s.connected.Load() {
		h.departed(s.author(), s.rooms(), why)
	}
}

// rooms are the names of those that the session is in.
func (s *session) rooms() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.subs {
		all = append(all, one.room.name)
	}
	return all
}
