package chat

import (
	"time"

	"webim/room"
	"webim/room/engine"
	"webim/room/wire"
)

// moderationMethods are the calls of moderators.
var moderationMethods = map[string]method{
	"kick":      define((*Chat).kick),
	"ban":       define((*Chat).ban),
	"unban":     define((*Chat).unban),
	"mute":      define((*Chat).mute),
	"unmute":    define((*Chat).unmute),
	"sanctions": define((*Chat).sanctions),
}

type sanctionRequest struct {
	inRoom
	User    string `json:"user"`
	IP      string `json:"ip"`
	Seconds int64  `json:"seconds"`
	Reason  string `json:"reason"`
}

// maxSeconds is a hundred years. 0 stands for a longer time.
const maxSeconds = 100 * 366 * 24 * 3600

// sanction checks a call's rights and arguments, and returns the ban or mute that it asks for.
func (q *sanctionRequest) sanction(call *room.Call, a room.Action, table string) (s room.Sanction, err error) {
	bad := func(text string) error { return wire.Explain(wire.ErrBadRequest, "bad request: "+text) }
	s = room.Sanction{Table: table, Room: q.Room, Who: q.User, By: call.Author().User, Reason: q.Reason, Over: call.Manages(q.Room), Payer: call.Payer()}
	switch {
	case q.IP != "" && table == engine.TableBan:
		s.Table, s.Who = engine.TableBanIP, q.IP
	case q.IP != "":
		return s, bad("only bans take an ip")
	}
	switch {
	case (q.User == "") == (q.IP == ""):
		return s, bad("name a user, or an ip for a ban")
	case q.Seconds < 0 || q.Seconds > maxSeconds:
		return s, bad("seconds must be 0, which means without end, or at most 100 years")
	case q.User == s.By && s.By != "":
		return s, bad("you cannot do this to yourself")
	}
	if q.Seconds > 0 {
		s.Until = time.Now().Add(time.Duration(q.Seconds) * time.Second)
	}
	if q.Room == "" {
		return s, call.MayEverywhere(a)
	}
	return s, may(call, a, q.Room)
}

// moderate runs a moderator's call, unless its target owns the room: an owner ranks above the
// room's moderators.
func moderate(call *room.Call, q *sanctionRequest, a room.Action, table string, do func(room.Sanction, *engine.Author, func(error))) {
	s, err := q.sanction(call, a, table)
	if err != nil {
		call.Done(nil, err)
		return
	}
	author := call.Author()
	act := func() { do(s, &author, func(err error) { answer(call, empty{}, err) }) }
	if !room.IsRoster(s.Room) {
		act()
		return
	}
	room.RosterOf(call.Hub.Engine(), s.Room, s.Who, func(r room.Roster, ok bool, err error) {
		switch {
		case err != nil:
			call.Done(nil, wire.Internal(err))
		case ok && r.Role == room.OwnerRole:
			call.Done(nil, wire.Explain(wire.ErrPermissionDenied, "permission denied: this user owns the room"))
		default:
			act()
		}
	})
}

// imposer returns Hub.Impose, with a limit in private rooms, where any user may be the owner.
func imposer(call *room.Call) func(room.Sanction, *engine.Author, func(error)) {
	return func(s room.Sanction, by *engine.Author, done func(error)) {
		if !room.IsRoster(s.Room) {
			call.Hub.Impose(s, by, done)
			return
		}
		capped(call.Hub.Engine(), s.Table, s.Room, maxSanctions, "the room has the maximum number of bans or mutes: lift some", func(err error) {
			if err != nil {
				done(err)
				return
			}
			call.Hub.Impose(s, by, done)
		})
	}
}

func (c *Chat) kick(call *room.Call, q *sanctionRequest) {
	moderate(call, q, room.ActKick, "", call.Hub.Kick)
}

func (c *Chat) ban(call *room.Call, q *sanctionRequest) {
	moderate(call, q, room.ActBan, engine.TableBan, imposer(call))
}

func (c *Chat) unban(call *room.Call, q *sanctionRequest) {
	moderate(call, q, room.ActBan, engine.TableBan, call.Hub.Lift)
}

func (c *Chat) mute(call *room.Call, q *sanctionRequest) {
	moderate(call, q, room.ActMute, engine.TableMute, imposer(call))
}

func (c *Chat) unmute(call *room.Call, q *sanctionRequest) {
	moderate(call, q, room.ActMute, engine.TableMute, call.Hub.Lift)
}

type sanctionsRequest struct {
	inRoom
}

type sanctionsResult struct {
	Bans  []sanctionEntry `json:"bans"`
	Mutes []sanctionEntry `json:"mutes"`
}

type sanctionEntry struct {
	User   string `json:"user,omitempty"`
	IP     string `json:"ip,omitempty"`
	Until  int64  `json:"until,omitzero"` // unix seconds
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
}

// maxSanctions limits how many bans and mutes of each kind are listed, and how many of each a
// private room may have.
const maxSanctions = 1000

func (c *Chat) sanctions(call *room.Call, q *sanctionsRequest) {
	var err error
	for _, a := range []room.Action{room.ActBan, room.ActMute} {
		if err == nil && q.Room == "" {
			err = call.MayEverywhere(a)
		} else if err == nil {
			err = may(call, a, q.Room)
		}
	}
	if err != nil {
		call.Done(nil, err)
		return
	}
	res := sanctionsResult{Bans: []sanctionEntry{}, Mutes: []sanctionEntry{}}
	list := func(table string, into *[]sanctionEntry, then func()) {
		call.Hub.Sanctions(table, q.Room, "", maxSanctions, func(all []room.Sanction, err error) {
			if err != nil {
				call.Done(nil, err)
				return
			}
			for _, s := range all {
				*into = append(*into, entryOf(s))
			}
			then()
		})
	}
	list(engine.TableBan, &res.Bans, func() {
		list(engine.TableBanIP, &res.Bans, func() {
			list(engine.TableMute, &res.Mutes, func() { answer(call, res, nil) })
		})
	})
}

func entryOf(s room.Sanction) sanctionEntry {
	e := sanctionEntry{User: s.Who, By: s.By, Reason: s.Reason}
	if s.Table == engine.TableBanIP {
		e.User, e.IP = "", s.Who
	}
	if !s.Until.IsZero() {
		e.Until = s.Until.Unix()
	}
	return e
}
