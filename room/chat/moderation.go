package chat

import (
	"context"
	"time"

	"webim/room/await"
	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/moderation"
	"webim/room/policy"
	"webim/room/rpc"
	"webim/room/wire"
)

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
func (q *sanctionRequest) sanction(call *rpc.Call, a policy.Action, table string) (s moderation.Sanction, err error) {
	s = moderation.Sanction{Table: table, Room: q.Room, Who: q.User, By: call.Author().User, Reason: q.Reason, Over: call.Judge(policy.ActManage, q.Room).Outcome == policy.Allow, Payer: call.Payer()}
	switch {
	case q.IP != "" && table == engine.TableBan:
		s.Table, s.Who = engine.TableBanIP, q.IP
	case q.IP != "":
		return s, badRequest("only bans take an ip")
	}
	switch {
	case (q.User == "") == (q.IP == ""):
		return s, badRequest("name a user, or an ip for a ban")
	case q.Seconds < 0 || q.Seconds > maxSeconds:
		return s, badRequest("seconds must be 0, which means without end, or at most 100 years")
	case q.User == s.By && s.By != "":
		return s, badRequest("you cannot do this to yourself")
	}
	if q.Seconds > 0 {
		s.Until = time.Now().Add(time.Duration(q.Seconds) * time.Second)
	}
	return s, mayModerate(call, a, q.Room)
}

// mayModerate is may for a room, or for the whole server if name is "".
func mayModerate(call *rpc.Call, a policy.Action, name string) error {
	if name == "" {
		return call.May(a, "")
	}
	return may(call, a, name)
}

// moderate runs a moderator's call, unless its target owns the room: an owner ranks above the
// room's moderators.
func moderate(ctx context.Context, call *rpc.Call, q *sanctionRequest, a policy.Action, table string, do func(context.Context, *rpc.Call, moderation.Sanction) error) (empty, error) {
	s, err := q.sanction(call, a, table)
	if err != nil {
		return empty{}, err
	}
	if policy.IsRoster(s.Room) {
		r, is, err := rosterOf(ctx, serverStore(call.Hub), s.Room, s.Who)
		if err != nil {
			return empty{}, err
		}
		if is && r.Role == policy.OwnerRole {
			return empty{}, wire.Explain(wire.ErrPermissionDenied, "permission denied: this user owns the room")
		}
	}
	return empty{}, do(ctx, call, s)
}

// impose imposes a ban or mute. Private rooms have a limit, because any user may own one.
func impose(ctx context.Context, call *rpc.Call, s moderation.Sanction) error {
	if policy.IsRoster(s.Room) {
		if err := store.AtMost(ctx, serverStore(call.Hub), maxSanctions, s.Table, s.Room, "the room has the maximum number of bans or mutes: lift some"); err != nil {
			return err
		}
	}
	author := call.Author()
	return await.Error(ctx, func(done func(error)) { call.Hub.Impose(s, &author, done) })
}

func lift(ctx context.Context, call *rpc.Call, s moderation.Sanction) error {
	author := call.Author()
	return await.Error(ctx, func(done func(error)) { call.Hub.Lift(s, &author, done) })
}

func (c *Chat) kick(ctx context.Context, call *rpc.Call, q *sanctionRequest) (empty, error) {
	return moderate(ctx, call, q, policy.ActKick, "", func(ctx context.Context, call *rpc.Call, s moderation.Sanction) error {
		author := call.Author()
		return await.Error(ctx, func(done func(error)) { call.Hub.Kick(s, &author, done) })
	})
}

func (c *Chat) ban(ctx context.Context, call *rpc.Call, q *sanctionRequest) (empty, error) {
	return moderate(ctx, call, q, policy.ActBan, engine.TableBan, impose)
}

func (c *Chat) unban(ctx context.Context, call *rpc.Call, q *sanctionRequest) (empty, error) {
	return moderate(ctx, call, q, policy.ActBan, engine.TableBan, lift)
}

func (c *Chat) mute(ctx context.Context, call *rpc.Call, q *sanctionRequest) (empty, error) {
	return moderate(ctx, call, q, policy.ActMute, engine.TableMute, impose)
}

func (c *Chat) unmute(ctx context.Context, call *rpc.Call, q *sanctionRequest) (empty, error) {
	return moderate(ctx, call, q, policy.ActMute, engine.TableMute, lift)
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

// sanctions lists the bans and mutes of a room, or without room those everywhere.
func (c *Chat) sanctions(ctx context.Context, call *rpc.Call, q *sanctionsRequest) (res sanctionsResult, err error) {
	for _, a := range []policy.Action{policy.ActBan, policy.ActMute} {
		if err := mayModerate(call, a, q.Room); err != nil {
			return res, err
		}
	}
	res = sanctionsResult{Bans: []sanctionEntry{}, Mutes: []sanctionEntry{}}
	for _, list := range []struct {
		table string
		into  *[]sanctionEntry
	}{{engine.TableBan, &res.Bans}, {engine.TableBanIP, &res.Bans}, {engine.TableMute, &res.Mutes}} {
		all, err := await.Value(ctx, func(done func([]moderation.Sanction, error)) {
			call.Hub.Sanctions(list.table, q.Room, "", maxSanctions, done)
		})
		if err != nil {
			return res, err
		}
		for _, s := range all {
			*list.into = append(*list.into, entryOf(s))
		}
	}
	return res, nil
}

func entryOf(s moderation.Sanction) sanctionEntry {
	e := sanctionEntry{User: s.Who, By: s.By, Reason: s.Reason}
	if s.Table == engine.TableBanIP {
		e.User, e.IP = "", s.Who
	}
	if !s.Until.IsZero() {
		e.Until = s.Until.Unix()
	}
	return e
}
