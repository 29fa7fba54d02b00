package room

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// Sanction is a ban or a mute.
type Sanction struct {
	Table  string    // TableBan, TableBanIP or TableMute
	Room   string    // "": everywhere
	Who    string    // user, or the network, as ParseNetwork has it
	Until  time.Time // zero: until it is lifted
	By     string    // the user who imposed it; "": a backend
	LogBy  string    // who did, in the audit log; "": By
	Reason string    // at most MaxReason bytes without controls
	At     time.Time
	// Over: an admin, or a backend, imposes or lifts it. Admins are bound, too, and
	// nobody below lifts it or puts another in its place.
	Over bool
	// Payer pays for a sanction in a private room; those elsewhere have a reserve.
	Payer budget.Owner
}

// MaxReason is the most bytes of a sanction's reason.
const MaxReason = 200

// sanctionValue is a sanction's entry.
type sanctionValue struct {
	By     string `json:"by,omitempty"`
	Reason string `json:"reason,omitempty"`
	At     int64  `json:"at"` // unix seconds
	Over   bool   `json:"over,omitempty"`
}

// actionOf names what is done, in the audit log and as the event in the room.
var actionOf = map[string][2]string{ // imposed, lifted
	engine.TableBan: {"ban", "unban"}, engine.TableBanIP: {"ban", "unban"}, engine.TableMute: {"mute", "unmute"},
}

// check is what is wrong with a sanction, in a sentence.
func (s *Sanction) check() error {
	bad := func(text string) error { return wire.Explain(wire.ErrBadRequest, "bad request: "+text) }
	if s.Room != "" {
		name, err := wire.RoomName(s.Room)
		if err != nil {
			return bad(err.Error())
		}
		s.Room = name
	}
	switch {
	case s.Who == "":
		return bad("user is missing")
	case len(s.Who) > wire.MaxRoomName:
		return bad("user is too long")
	case !printable(s.Who):
		return bad("user has control characters or is not UTF-8")
	case len(s.Reason) > MaxReason:
		return bad("reason is over " + strconv.Itoa(MaxReason) + " bytes")
	case !printable(s.Reason):
		return bad("reason has control characters or is not UTF-8")
	}
	if s.Table == engine.TableBanIP {
		net, err := ParseNetwork(s.Who)
		if err != nil {
			return bad(err.Error())
		}
		s.Who = net.String()
	}
	return nil
}

// printable tells whether a text may stand in a line of the log, and in tags.
func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// Impose bans or mutes. Existing connections of who is banned end at once, with
// 4503, or leave the room, and its roster: if the ban does not bind admins, see
// Hub.toldBan. by, which may be nil, is who is shown as the author of
// the room's event. Errors are wire.ErrorCodes. It may be called from any
// goroutine.
func (h *Hub) Impose(s Sanction, by *engine.Author, done func(error)) {
	if err := s.check(); err != nil {
		done(err)
		return
	}
	value, err := json.Marshal(sanctionValue{s.By, s.Reason, time.Now().Unix(), s.Over})
	if err != nil {
		done(wire.Internal(err))
		return
	}
	h.overrule(s, func(version uint64, done func(error)) {
		h.StateOf(s.Payer).Put(engine.Entry{Key: s.key(), Value: value, Version: version, Expires: s.Until}, func(_ uint64, err error) { done(err) })
	}, func(err error) {
		if err != nil {
			done(err)
			return
		}
		h.moderated(Audit{Action: actionOf[s.Table][0], By: cmp.Or(s.LogBy, s.By), Room: s.Room, Target: s.Who, Until: s.Until, Reason: s.Reason}, s.Payer, s.Table != engine.TableBanIP, by)
		if s.Table == engine.TableBan && s.Room != "" && s.Over {
			h.strike(s.Room, s.Who)
		}
		done(nil)
	})
}

// overrule has a sanction's entry written or deleted, unless who is higher has
// imposed what stands: by its version, for that may come at the same time.
func (h *Hub) overrule(s Sanction, do func(version uint64, done func(error)), done func(error)) {
	if s.Over {
		do(engine.AnyVersion, func(err error) { done(StateError(err)) })
		return
	}
	h.engine.Get(s.key(), func(e engine.Entry, err error) {
		switch {
		case err != nil:
			done(StateError(err))
		case reachOf(e) == policy.All:
			done(wire.Explain(wire.ErrPermissionDenied, "permission denied: an admin has imposed what stands"))
		default:
			do(e.Version, func(err error) {
				if err == engine.ErrVersion {
					h.overrule(s, do, done)
					return
				}
				done(StateError(err))
			})
		}
	})
}

func (s *Sanction) key() engine.Key { return engine.Key{Table: s.Table, Of: s.Room, Name: s.Who} }

// Lift takes a sanction back: one that is not there, too. Who is below an admin
// does not take back an admin's.
func (h *Hub) Lift(s Sanction, by *engine.Author, done func(error)) {
	if err := s.check(); err != nil {
		done(err)
		return
	}
	h.overrule(s, func(version uint64, done func(error)) {
		h.engine.Delete(s.key(), version, done)
	}, func(err error) {
		if err != nil {
			done(err)
			return
		}
		h.moderated(Audit{Action: actionOf[s.Table][1], By: cmp.Or(s.LogBy, s.By), Room: s.Room, Target: s.Who}, s.Payer, s.Table != engine.TableBanIP, by)
		done(nil)
	})
}

// Kick takes a user's connections out of a room, which they may join again, or,
// without one, closes them for good, with 3503.
func (h *Hub) Kick(s Sanction, by *engine.Author, done func(error)) {
	if err := s.check(); err != nil {
		done(err)
		return
	}
	o := engine.ControlMessage{Kind: engine.ControlUnsubscribe, To: engine.Target{User: s.Who, Spare: !s.Over}, Room: s.Room}
	if s.Room == "" {
		end := wire.DisconnectForceNoReconnect
		o.Kind, o.Code, o.Reason = engine.ControlDisconnect, uint32(end), end.Text()
	}
	h.SendControl(o, func(err error) {
		if err == nil {
			h.moderated(Audit{Action: "kick", By: cmp.Or(s.LogBy, s.By), Room: s.Room, Target: s.Who, Reason: s.Reason}, s.Payer, true, by)
		}
		done(err)
	})
}

// Sanctions lists those of a table and a room, or those everywhere, in the order
// of whom they are for.
func (h *Hub) Sanctions(table, room, after string, limit int, done func([]Sanction, error)) {
	h.engine.List(table, room, after, limit, func(all []engine.Entry, err error) {
		if err != nil {
			done(nil, StateError(err))
			return
		}
		out := make([]Sanction, 0, len(all))
		for _, e := range all {
			out = append(out, sanctionIn(e, table, room))
		}
		done(out, nil)
	})
}

// SanctionOf reads the sanction of a table that stands against a user in a room, or
// everywhere in room ""; there: one stands.
func (h *Hub) SanctionOf(table, room, user string, done func(s Sanction, there bool)) {
	h.engine.Get(engine.Key{Table: table, Of: room, Name: user}, func(e engine.Entry, err error) {
		if err != nil || e.Version == 0 || !e.Expires.IsZero() && !e.Expires.After(time.Now()) {
			done(Sanction{}, false)
			return
		}
		done(sanctionIn(e, table, room), true)
	})
}

// sanctionIn is the sanction that an entry of the State keeps.
func sanctionIn(e engine.Entry, table, room string) Sanction {
	var v sanctionValue
	_ = json.Unmarshal(e.Value, &v) // without it: nobody, for no reason
	return Sanction{Table: table, Room: room, Who: e.Name, Until: e.Expires, By: v.By, Reason: v.Reason, At: time.Unix(v.At, 0), Over: v.Over, Payer: e.Owner}
}

// StateError is an error of the engine's State as clients are told it: a
// wire.ErrorCode, perhaps with a sentence, or nil.
func StateError(err error) error {
	switch err {
	case nil:
		return nil
	case ErrShareFull:
		return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: you keep as many rooms, marks and bans as one user or address may: leave a room")
	case engine.ErrStateFull:
		return wire.Explain(wire.ErrLimitExceeded, "limit exceeded: the server's state is full")
	}
	return wire.Internal(err)
}

// moderated leaves the line and, in a room, the event; of networks the room is
// told nothing.
func (h *Hub) moderated(a Audit, payer budget.Owner, tell bool, by *engine.Author) {
	h.Audited(a, payer)
	if a.Room == "" || !tell {
		return
	}
	tags := map[string]string{engine.TagEvent: a.Action, "user": a.Target}
	if !a.Until.IsZero() {
		tags["until"] = strconv.FormatInt(a.Until.Unix(), 10)
	}
	h.Publish(a.Room, engine.Message{Op: engine.OpJSON, Data: []byte("{}"), From: by, Tags: tags, CompactKey: a.Action + " " + a.Target}, nil)
}
