package control

import (
	"errors"
	"iter"
	"log/slog"
	"sync/atomic"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
	"webim/room/judge"
	"webim/room/moderation"
	"webim/room/token"
	"webim/room/wire"
)

// ErrNoTarget means that a control message names neither a user nor a client.
var ErrNoTarget = errors.New("control: name the user or the client that is meant")

// ErrInvalid means that a control message has a disconnect code outside 3000 to 4999, a reason over 123
// bytes, or info or data that is not one JSON value.
var ErrInvalid = errors.New("control: the code, the reason, the info or the data cannot be sent to a client")

// maxReason is the maximum size of the reason in a close frame, in bytes.
const maxReason = 123

// Config has the parts that a Controller works with. All fields except Revoked are required.
type Config struct {
	Engine    engine.Engine
	Judge     *judge.Judge
	Moderator *moderation.Moderator
	// Revoked has the tokens that were revoked; nil: none can be.
	Revoked *token.Revoked
	// Conns lists the connections in a room, or joining it: the plain ones, or the others.
	Conns func(room string, plain bool) iter.Seq[netpoll.Conn]
	// Post calls a function soon, with no lock held.
	Post func(func())
	Log  *slog.Logger
}

// A Controller acts on the connections of this node. Its methods do not block, and are safe for
// concurrent use after Start.
type Controller struct {
	cfg      Config
	server   *netpoll.Server
	sessions identity.Table
	bearers  atomic.Int64 // plain connections that have a token
	started  atomic.Bool  // Start has returned; until then there are no connections

	lastErasure  atomic.Uint64 // see LastErasure
	movedErasure uint64        // see Moved; not written while connections are adopted
}

// New returns a Controller.
func New(cfg Config) *Controller { return &Controller{cfg: cfg, movedErasure: engine.AnyVersion} }

// Start begins to follow the bans, the rosters, the revocations and the erased users in the State. It is called before the
// server listens: what is in the State then holds when Start returns, so the first client is already judged by it. stop ends
// it.
func (c *Controller) Start(s *netpoll.Server) (stop func()) {
	c.server = s
	stops := []func(){c.cfg.Moderator.WatchSanctions(c), c.cfg.Engine.Watch(engine.TableErased, c.erasedChanged),
		c.cfg.Engine.Watch(engine.TableMember, c.rosterChanged)}
	if c.cfg.Revoked != nil {
		stops = append(stops, c.cfg.Engine.Watch(engine.TableRevoked, c.revocationChanged))
	}
	c.started.Store(true)
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// enforce posts work on the connections that a change of the State concerns. The change itself holds already, so a
// connection that comes later is judged by it. The entries that are there at the start concern nobody: there are no
// connections yet, and a walk over all of them for each entry could last for minutes.
func (c *Controller) enforce(work func()) {
	if c.started.Load() {
		c.cfg.Post(work)
	}
}

// Register makes control messages reach a session, just before its connect reply. The session must have
// its identity. Register returns the code with which the session must end, because its token was revoked or its
// user was banned while it was connecting; otherwise nil. A revocation or
// a ban that comes before Register is found here; one that comes later finds the session.
func (c *Controller) Register(s identity.Session) error {
	c.sessions.Add(s)
	switch j := c.cfg.Judge; {
	case j.Revoked(s.Identity()):
		return wire.DisconnectInvalidToken
	case j.IsBanned(j.SubjectOf(s), ""):
		return wire.DisconnectBanned
	}
	return nil
}

// Unregister removes a session for good, when its connection ends.
func (c *Controller) Unregister(s identity.Session) { c.sessions.Remove(s) }

// HasEnded reports whether Unregister was called.
func (c *Controller) HasEnded(s identity.Session) bool { return c.sessions.HasEnded(s) }

// CountBearer counts a plain connection that has a token, with 1 when it opens and with -1 when it ends.
// While there is none, control messages need not walk the plain connections.
func (c *Controller) CountBearer(by int64) { c.bearers.Add(by) }

// Count returns the number of registered sessions, the number of anonymous ones, and the number of
// different users of the others.
func (c *Controller) Count() (sessions, anonymous, named int) { return c.sessions.Count() }

// Send checks a control message and sends it to all nodes. done gets an error if the message is invalid
// (ErrNoTarget, ErrInvalid, or a fault of the room's name), or if applying it failed: engine.ErrStateOld says that a node
// with the target admits nobody now. It is no error if no
// connection matches the target, or if a connection cannot join the room because it is already there, is
// in too many rooms, or is not one of the users of a # room. Any goroutine may call done.
func (c *Controller) Send(m engine.ControlMessage, done func(error)) {
	if err := check(&m); err != nil {
		done(err)
		return
	}
	if m.Kind == engine.ControlRevoke {
		c.sendRevocation(m, done)
		return
	}
	c.cfg.Engine.SendControl(m, done)
}

// check validates a control message, and normalizes the room's name and the JSON in it.
func check(m *engine.ControlMessage) error {
	if m.To.User == "" && m.To.Client == "" && m.To.Session == "" && (m.Kind != engine.ControlRevoke || m.Token == "") {
		return ErrNoTarget
	}
	if m.Kind == engine.ControlSubscribe || m.Kind == engine.ControlUnsubscribe && m.Room != "" {
		name, err := wire.RoomName(m.Room)
		if err != nil {
			return err
		}
		m.Room = name
	}
	if m.Kind == engine.ControlDisconnect && (m.Code < 3000 || m.Code > 4999 || len(m.Reason) > maxReason) {
		return ErrInvalid
	}
	for _, field := range []*[]byte{&m.Info, &m.Data} {
		if *field == nil {
			continue
		}
		data, err := wire.Data(false, *field)
		if err != nil {
			return ErrInvalid
		}
		*field = data
	}
	return nil
}
