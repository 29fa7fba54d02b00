package moderation

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// An Enforcer enforces bans on the connections of this node, see package control. The State calls it with
// its locks held, so it must not block and must not call the engine before it returns.
type Enforcer interface {
	// EnforceBan ends the memberships of a user's connections in a room, as far as bans bind
	// them; without a room, it closes the connections. It then calls Moderator.RemoveFromRoster.
	EnforceBan(room, user string)
	// EnforceNetworkBan does the same for the connections from a network, except that it leaves the
	// roster as it is.
	EnforceNetworkBan(room string, net netip.Prefix)
}

// Config has the parts that a Moderator works with. All fields except Audit are required.
type Config struct {
	Engine Engine
	// Publish publishes a message in a room.
	Publish func(room string, m engine.Message, done func(engine.Position, error))
	// StateOf returns the State for an owner, which pays for the entries that it writes.
	StateOf func(budget.Owner) engine.State
	// StateError turns an error of the State into one for clients.
	StateError func(error) error
	// Audit gets a line for each change; nil: there is no audit log.
	Audit *slog.Logger
}

// Engine is the part of an engine.Engine that has the sanctions, and the way to all nodes.
type Engine interface {
	engine.State
	SendControl(m engine.ControlMessage, done func(error))
}

// Moderator imposes, lifts and lists sanctions. All methods are safe for concurrent use. Their
// errors are wire.ErrorCodes, perhaps with a sentence. A callback named done is called exactly once,
// from any goroutine.
type Moderator struct {
	*Cache
	cfg     Config
	enforce Enforcer
	started time.Time // when the clock of the audit shares was zero
	audits  auditShares
}

// New returns a Moderator. It knows the sanctions in the State after WatchSanctions.
func New(cfg Config) *Moderator {
	return &Moderator{Cache: newCache(), cfg: cfg, started: time.Now()}
}

// WatchSanctions begins to follow the State, and to enforce bans on this node. stop ends it. It is called
// once, before any other method.
func (m *Moderator) WatchSanctions(on Enforcer) (stop func()) {
	m.enforce = on
	stops := []func(){
		m.cfg.Engine.Watch(engine.TableBan, m.banChanged), m.cfg.Engine.Watch(engine.TableBanIP, m.networkBanChanged),
		m.cfg.Engine.Watch(engine.TableMute, m.storeMute), m.cfg.Engine.Watch(engine.TableRoom, m.storeSettings),
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func (m *Moderator) banChanged(_, e engine.Entry) {
	if m.storeBan(e); e.Value != nil {
		m.enforce.EnforceBan(e.Of, e.Name)
	}
}

func (m *Moderator) networkBanChanged(_, e engine.Entry) {
	net, err := netip.ParsePrefix(e.Name)
	if err != nil {
		return // validate lets no such name through
	}
	if m.storeNetwork(net, e); e.Value != nil {
		m.enforce.EnforceNetworkBan(e.Of, net)
	}
}

// RemoveFromRoster removes a user from the roster of a room if the user's ban there binds each of
// these identities of the user. It is the only place where a ban does so. A ban that binds everybody
// removes the user when it is imposed. A ban that does not bind admins removes the user only when a
// token tells whether the user is an admin: on a node that has a connection of the user, or when
// the user reads the list of rooms. The list of rooms of the user is corrected when it is read.
func (m *Moderator) RemoveFromRoster(room, user string, as ...*token.Identity) {
	free := func(who *token.Identity) bool { return !m.BanBinds(room, who) }
	if len(as) == 0 || slices.ContainsFunc(as, free) {
		return
	}
	m.cfg.Engine.Delete(engine.Key{Table: engine.TableMember, Of: room, Name: user}, engine.AnyVersion, func(error) {})
}

// actionOf names the actions, in the audit log and as events in the room.
var actionOf = map[string][2]string{ // imposed, lifted
	engine.TableBan: {"ban", "unban"}, engine.TableBanIP: {"ban", "unban"}, engine.TableMute: {"mute", "unmute"},
}

// Impose stores a ban or a mute. A ban ends the connections that it binds with code 4503, or
// removes them from the room and its roster: see RemoveFromRoster. The event in the room has by as
// its author, which may be nil.
func (m *Moderator) Impose(s Sanction, by *engine.Author, done func(error)) {
	if err := s.validate(); err != nil {
		done(err)
		return
	}
	data, err := json.Marshal(value{s.By, s.Reason, time.Now().Unix(), s.Over})
	if err != nil {
		done(wire.Internal(err))
		return
	}
	m.overrule(s, maxTries, func(version uint64, done func(error)) {
		m.cfg.StateOf(s.Payer).Put(engine.Entry{Key: s.key(), Value: data, Version: version, Expires: s.Until}, func(_ uint64, err error) { done(err) })
	}, func(err error) {
		if err != nil {
			done(err)
			return
		}
		m.announce(Audit{Action: actionOf[s.Table][0], By: cmp.Or(s.LogBy, s.By), Room: s.Room, Target: s.Who, Until: s.Until, Reason: s.Reason}, s.Payer, s.Table != engine.TableBanIP, by)
		if s.Table == engine.TableBan && s.Over {
			m.RemoveFromRoster(s.Room, s.Who, &token.Identity{User: s.Who})
		}
		done(nil)
	})
}

// maxTries is how often the entry of a sanction is read and written while others change it. Then the caller gets an error,
// which is logged as one of the server.
const maxTries = 16

// overrule calls do, which writes or deletes the entry of a sanction, unless the caller ranks below
// the author of the entry that is there. It passes the entry's version to do, because somebody else
// may change the entry at the same time; then overrule reads it again, and makes at most so many tries.
func (m *Moderator) overrule(s Sanction, tries int, do func(version uint64, done func(error)), done func(error)) {
	if s.Over {
		do(engine.AnyVersion, func(err error) { done(m.cfg.StateError(err)) })
		return
	}
	m.cfg.Engine.Get(s.key(), func(e engine.Entry, err error) {
		switch {
		case err != nil:
			done(m.cfg.StateError(err))
		case reachOf(e) == policy.All:
			done(wire.Explain(wire.ErrPermissionDenied, "permission denied: an admin has imposed what stands"))
		default:
			do(e.Version, func(err error) {
				if err == engine.ErrVersion && tries > 1 {
					m.overrule(s, tries-1, do, done)
					return
				}
				done(m.cfg.StateError(err))
			})
		}
	})
}

// Lift removes a sanction. It is no error if there is none. Moderators cannot lift a sanction of an
// admin.
func (m *Moderator) Lift(s Sanction, by *engine.Author, done func(error)) {
	if err := s.validate(); err != nil {
		done(err)
		return
	}
	m.overrule(s, maxTries, func(version uint64, done func(error)) {
		m.cfg.Engine.Delete(s.key(), version, done)
	}, func(err error) {
		if err != nil {
			done(err)
			return
		}
		m.announce(Audit{Action: actionOf[s.Table][1], By: cmp.Or(s.LogBy, s.By), Room: s.Room, Target: s.Who}, s.Payer, s.Table != engine.TableBanIP, by)
		done(nil)
	})
}

// Kick removes a user's connections from a room, which they may join again. Without a room, it
// closes them with code 3503, after which clients do not reconnect.
func (m *Moderator) Kick(s Sanction, by *engine.Author, done func(error)) {
	if err := s.validate(); err != nil {
		done(err)
		return
	}
	msg := engine.ControlMessage{Kind: engine.ControlUnsubscribe, To: engine.Target{User: s.Who, ExceptAdmins: !s.Over}, Room: s.Room}
	if s.Room == "" {
		end := wire.DisconnectForceNoReconnect
		msg.Kind, msg.Code, msg.Reason = engine.ControlDisconnect, uint32(end), end.Text()
	}
	m.cfg.Engine.SendControl(msg, func(err error) {
		if err == nil {
			m.announce(Audit{Action: "kick", By: cmp.Or(s.LogBy, s.By), Room: s.Room, Target: s.Who, Reason: s.Reason}, s.Payer, true, by)
		}
		done(err)
	})
}

// Sanctions lists at most limit sanctions of a table in a room, or on the whole server in room "",
// in the order of their targets, with targets after the given one. An old list could pass for permission: see engine.Copier.
func (m *Moderator) Sanctions(table, room, after string, limit int, done func([]Sanction, error)) {
	if c, ok := m.cfg.Engine.(engine.Copier); ok && c.StateIsOld() {
		done(nil, m.cfg.StateError(engine.ErrStateOld))
		return
	}
	m.cfg.Engine.List(table, room, after, limit, func(all []engine.Entry, err error) {
		if err != nil {
			done(nil, m.cfg.StateError(err))
			return
		}
		out := make([]Sanction, 0, len(all))
		for _, e := range all {
			out = append(out, fromEntry(e, table, room))
		}
		done(out, nil)
	})
}

// SanctionOf reads the sanction of a table against a user in a room, or on the whole server in room
// "". there is false if there is none.
func (m *Moderator) SanctionOf(table, room, user string, done func(s Sanction, there bool)) {
	m.cfg.Engine.Get(engine.Key{Table: table, Of: room, Name: user}, func(e engine.Entry, err error) {
		if err != nil || e.Version == 0 || !e.Expires.IsZero() && !e.Expires.After(time.Now()) {
			done(Sanction{}, false)
			return
		}
		done(fromEntry(e, table, room), true)
	})
}

// announce writes the audit line, and publishes the event in the room if there is a room and tell is
// true. Members get no event about networks.
func (m *Moderator) announce(a Audit, payer budget.Owner, tell bool, by *engine.Author) {
	m.Audited(a, payer)
	if a.Room == "" || !tell {
		return
	}
	tags := map[string]string{engine.TagEvent: a.Action, "user": a.Target}
	if !a.Until.IsZero() {
		tags["until"] = strconv.FormatInt(a.Until.Unix(), 10)
	}
	m.cfg.Publish(a.Room, engine.Message{Op: engine.OpJSON, Data: []byte("{}"), From: by, Tags: tags, CompactKey: a.Action + " " + a.Target}, nil)
}
