package api

import (
	"context"
	"time"

	"webim/room/await"
	"webim/room/engine"
	"webim/room/moderation"
)

type sanctionRequest struct {
	Channel string `json:"channel"` // "" means everywhere
	User    string `json:"user"`
	IP      string `json:"ip"`
	Seconds int64  `json:"seconds"` // 0 means until somebody lifts it
	Reason  string `json:"reason"`
}

func (q *sanctionRequest) rooms() []*string { return []*string{&q.Channel} }

// sanction converts a request. table is room.TableBan or room.TableMute, or "" for a kick.
func (h *Handler) sanction(ctx context.Context, q *sanctionRequest, table string) (s moderation.Sanction, err error) {
	const most = 100 * 366 * 24 * 3600
	s = moderation.Sanction{Table: table, Room: q.Channel, Who: q.User, By: userOf(ctx), LogBy: callerOf(ctx), Reason: q.Reason, Over: h.manages(ctx)}
	switch {
	case q.IP != "" && table != engine.TableBan:
		return s, bad("only bans take an ip")
	case (q.User == "") == (q.IP == ""):
		return s, bad("name a user, or an ip for a ban")
	case q.Seconds < 0 || q.Seconds > most:
		return s, bad("seconds must be 0, which means without end, or at most 100 years")
	case q.IP != "":
		s.Table, s.Who = engine.TableBanIP, q.IP
	}
	if q.Seconds > 0 {
		s.Until = time.Now().Add(time.Duration(q.Seconds) * time.Second)
	}
	return s, nil
}

// impose converts the request and calls do, which is one of the hub's functions.
func (h *Handler) impose(ctx context.Context, q *sanctionRequest, table string, do func(moderation.Sanction, *engine.Author, func(error))) (*empty, error) {
	s, err := h.sanction(ctx, q, table)
	if err != nil {
		return nil, err
	}
	if err := await.Error(ctx, func(done func(error)) { do(s, authorOf(ctx), done) }); err != nil {
		return nil, err
	}
	return &empty{}, nil
}

func (h *Handler) ban(ctx context.Context, q *sanctionRequest) (*empty, error) {
	return h.impose(ctx, q, engine.TableBan, h.cfg.Hub.Impose)
}

func (h *Handler) unban(ctx context.Context, q *sanctionRequest) (*empty, error) {
	return h.impose(ctx, q, engine.TableBan, h.cfg.Hub.Lift)
}

func (h *Handler) mute(ctx context.Context, q *sanctionRequest) (*empty, error) {
	return h.impose(ctx, q, engine.TableMute, h.cfg.Hub.Impose)
}

func (h *Handler) unmute(ctx context.Context, q *sanctionRequest) (*empty, error) {
	return h.impose(ctx, q, engine.TableMute, h.cfg.Hub.Lift)
}

func (h *Handler) kick(ctx context.Context, q *sanctionRequest) (*empty, error) {
	return h.impose(ctx, q, "", h.cfg.Hub.Kick)
}

type sanctionsRequest struct {
	Channel string `json:"channel"` // "" means the bans and mutes that hold everywhere
}

func (q *sanctionsRequest) rooms() []*string { return []*string{&q.Channel} }

type sanctionsResult struct {
	Bans  []sanction `json:"bans"`
	Mutes []sanction `json:"mutes"`
}

type sanction struct {
	User   string `json:"user,omitzero"`
	IP     string `json:"ip,omitzero"`
	Until  int64  `json:"until,omitzero"` // seconds since 1970
	By     string `json:"by"`
	Reason string `json:"reason,omitzero"`
	At     int64  `json:"at"` // seconds since 1970
}

// maxSanctions limits how many bans and mutes of each kind the method lists.
const maxSanctions = 1000

func (h *Handler) sanctions(ctx context.Context, q *sanctionsRequest) (*sanctionsResult, error) {
	res := &sanctionsResult{Bans: []sanction{}, Mutes: []sanction{}}
	for _, one := range []struct {
		table string
		into  *[]sanction
	}{{engine.TableBan, &res.Bans}, {engine.TableBanIP, &res.Bans}, {engine.TableMute, &res.Mutes}} {
		all, err := await.Value(ctx, func(done func([]moderation.Sanction, error)) {
			h.cfg.Hub.Sanctions(one.table, q.Channel, "", maxSanctions, done)
		})
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			v := sanction{User: s.Who, By: s.By, Reason: s.Reason, At: s.At.Unix()}
			if one.table == engine.TableBanIP {
				v.User, v.IP = "", s.Who
			}
			if !s.Until.IsZero() {
				v.Until = s.Until.Unix()
			}
			*one.into = append(*one.into, v)
		}
	}
	return res, nil
}
