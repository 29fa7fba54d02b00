package api

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room"
	"webim/room/await"
	"webim/room/engine"
	names "webim/room/name"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// roomRequest is the request of the methods that only need a room.
type roomRequest struct {
	Channel string `json:"channel"`
}

func (q *roomRequest) rooms() []*string { return []*string{&q.Channel} }

func (q roomRequest) check() error {
	if q.Channel == "" {
		return bad("channel is missing")
	}
	return wire.CheckRoomName(q.Channel)
}

type historyRequest struct {
	Channel string    `json:"channel"`
	Limit   int32     `json:"limit"`
	Since   *position `json:"since"`
	Reverse bool      `json:"reverse"`
}

func (q *historyRequest) rooms() []*string { return []*string{&q.Channel} }

type historyResult struct {
	Publications []publication `json:"publications"`
	Epoch        string        `json:"epoch"`
	Offset       uint64        `json:"offset"`
}

type publication struct {
	Data    jsontext.Value    `json:"data,omitzero"`
	B64Data []byte            `json:"b64data,omitempty"` // for rooms that are marked binary
	Info    *clientInfo       `json:"info,omitzero"`
	Offset  uint64            `json:"offset"`
	Tags    map[string]string `json:"tags,omitempty"`
	Time    int64             `json:"time"` // milliseconds since 1970
}

type clientInfo struct {
	User     string         `json:"user"`
	Client   string         `json:"client"`
	ConnInfo jsontext.Value `json:"conn_info,omitzero"`
	ChanInfo jsontext.Value `json:"chan_info,omitzero"`
}

// infoOf converts an author; nil stays nil.
func infoOf(a *engine.Author) *clientInfo {
	if a == nil {
		return nil
	}
	return &clientInfo{User: a.User, Client: a.Client, ConnInfo: valid(a.ConnInfo), ChanInfo: valid(a.ChanInfo)}
}

// valid returns JSON from an engine. If it is not JSON, valid returns null.
func valid(b []byte) jsontext.Value {
	if len(b) > 0 && !wire.Valid(b) {
		return jsontext.Value("null")
	}
	return b
}

func (h *Handler) history(ctx context.Context, q *historyRequest) (*historyResult, error) {
	if err := (roomRequest{q.Channel}).check(); err != nil {
		return nil, err
	}
	ask := room.HistoryQuery{Limit: int(q.Limit), Reverse: q.Reverse}
	if q.Since != nil {
		ask.Since = &engine.Position{Epoch: q.Since.Epoch, Offset: q.Since.Offset}
	}
	got, err := await.Value(ctx, func(done func(engine.History, error)) { h.cfg.Hub.History(q.Channel, ask, done) })
	if err != nil {
		return nil, err
	}
	res := &historyResult{Publications: make([]publication, len(got.Publications)), Epoch: got.Top.Epoch, Offset: got.Top.Offset}
	for i, p := range got.Publications {
		out := &res.Publications[i]
		*out = publication{Info: infoOf(p.From), Offset: p.Offset, Tags: p.Tags, Time: p.Time.UnixMilli()}
		out.Data, out.B64Data = jsonOf(p)
	}
	return res, nil
}

func (h *Handler) historyRemove(ctx context.Context, q *roomRequest) (*empty, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	err := await.Error(ctx, func(done func(error)) { h.cfg.Hub.RemoveHistory(q.Channel, done) })
	if err != nil {
		return nil, err
	}
	return &empty{}, nil
}

type presenceResult struct {
	Presence map[string]*clientInfo `json:"presence"`
}

func (h *Handler) presence(ctx context.Context, q *roomRequest) (*presenceResult, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	all, err := await.Value(ctx, func(done func([]engine.Author, error)) { h.cfg.Hub.Presence(q.Channel, done) })
	if err != nil {
		return nil, err
	}
	res := &presenceResult{Presence: make(map[string]*clientInfo, len(all))}
	for _, a := range all {
		res.Presence[a.Client] = infoOf(&a)
	}
	return res, nil
}

type presenceStatsResult struct {
	NumClients int `json:"num_clients"`
	NumUsers   int `json:"num_users"`
}

func (h *Handler) presenceStats(ctx context.Context, q *roomRequest) (*presenceStatsResult, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	return await.Value(ctx, func(done func(*presenceStatsResult, error)) {
		h.cfg.Hub.PresenceStats(q.Channel, func(clients, users int, err error) {
			done(&presenceStatsResult{clients, users}, err)
		})
	})
}

type channelsRequest struct {
	Pattern string `json:"pattern"`
}

type channelsResult struct {
	Channels map[string]channelInfo `json:"channels"`
}

type channelInfo struct {
	NumClients int `json:"num_clients"`
}

// channels lists the rooms that have members on any node.
func (h *Handler) channels(ctx context.Context, q *channelsRequest) (*channelsResult, error) {
	q.Pattern = names.Normal(q.Pattern)
	if len(q.Pattern) > token.MaxPattern {
		return nil, bad(fmt.Sprintf("pattern has %d bytes, more than %d: the names of rooms are shorter", len(q.Pattern), token.MaxPattern))
	}
	all, err := h.survey(ctx, engine.Question{Rooms: cmp.Or(q.Pattern, "*")})
	if err != nil {
		return nil, err
	}
	who, _ := ctx.Value(caller{}).(*token.Identity) // nil means a key
	res := &channelsResult{Channels: map[string]channelInfo{}}
	for _, node := range all {
		for name, n := range node.Rooms {
			if h.cfg.Hub.Judge().Request(who, addressOf(ctx), policy.ActWatch, name).Outcome != policy.Allow {
				continue
			}
			res.Channels[name] = channelInfo{res.Channels[name].NumClients + n}
		}
	}
	return res, nil
}

type infoResult struct {
	Nodes []nodeResult `json:"nodes"`
}

type nodeResult struct {
	UID         string `json:"uid"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	NumClients  int    `json:"num_clients"`
	NumUsers    int    `json:"num_users"`
	NumChannels int    `json:"num_channels"`
	NumSubs     int    `json:"num_subs"`
	Uptime      int64  `json:"uptime"` // seconds
}

// info counts connections, users and rooms on each node.
func (h *Handler) info(ctx context.Context, _ *empty) (*infoResult, error) {
	all, err := h.survey(ctx, engine.Question{})
	if err != nil {
		return nil, err
	}
	res := &infoResult{Nodes: make([]nodeResult, len(all))}
	for i, c := range all {
		res.Nodes[i] = nodeResult{
			UID: c.Node, Name: c.Node, Version: c.Version, NumClients: c.Clients, NumUsers: c.Users,
			NumChannels: c.Channels, NumSubs: c.Members, Uptime: int64(c.Uptime / time.Second),
		}
	}
	return res, nil
}

func (h *Handler) survey(ctx context.Context, q engine.Question) ([]engine.NodeInfo, error) {
	return await.Value(ctx, func(done func([]engine.NodeInfo, error)) { h.cfg.Hub.Collect(q, done) })
}
