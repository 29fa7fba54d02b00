package api

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"webim/room/chat"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// unix converts seconds since 1970; 0 means never.
func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

type subscribeRequest struct {
	Channel      string `json:"channel"`
	target       `json:",inline"`
	ExpireAt     int64           `json:"expire_at"`
	Info         jsontext.Value  `json:"info"`
	B64Info      []byte          `json:"b64info"`
	Data         jsontext.Value  `json:"data"`
	B64Data      []byte          `json:"b64data"`
	RecoverSince *position       `json:"recover_since"`
	Override     *token.Override `json:"override"`
}

func (q *subscribeRequest) rooms() []*string { return []*string{&q.Channel} }

// overrideOf is policy.OverrideOf, but refuses the overrides that policy.OverrideOf ignores.
func overrideOf(v *token.Override) (engine.Override, error) {
	if v == nil {
		return engine.Override{}, nil
	}
	if err := policy.CheckOverride(v); err != nil {
		return engine.Override{}, coded(wire.ErrNotAvailable, err.Error())
	}
	return policy.OverrideOf(*v), nil
}

func (h *Handler) subscribe(ctx context.Context, q *subscribeRequest) (*empty, error) {
	if q.Channel == "" {
		return nil, bad("channel is missing")
	}
	o := engine.ControlMessage{Kind: engine.ControlSubscribe, To: q.target.target(), Room: q.Channel, Expires: unix(q.ExpireAt)}
	var err error
	if o.Info, err = either("info", q.Info, q.B64Info); err != nil {
		return nil, err
	}
	if o.Data, err = either("data", q.Data, q.B64Data); err != nil {
		return nil, err
	}
	if o.Override, err = overrideOf(q.Override); err != nil {
		return nil, err
	}
	if q.RecoverSince != nil {
		o.Since = &engine.Position{Epoch: q.RecoverSince.Epoch, Offset: q.RecoverSince.Offset}
	}
	return h.command(ctx, o)
}

type unsubscribeRequest struct {
	Channel string `json:"channel"`
	target  `json:",inline"`
}

func (q *unsubscribeRequest) rooms() []*string { return []*string{&q.Channel} }

func (h *Handler) unsubscribe(ctx context.Context, q *unsubscribeRequest) (*empty, error) {
	return h.command(ctx, engine.ControlMessage{Kind: engine.ControlUnsubscribe, To: q.target.target(), Room: q.Channel})
}

type disconnectRequest struct {
	target     `json:",inline"`
	Disconnect *disconnect `json:"disconnect"`
	Whitelist  []string    `json:"whitelist"`
}

type disconnect struct {
	Code      uint32 `json:"code"`
	Reason    string `json:"reason"`
	Reconnect bool   `json:"reconnect"` // for older libraries, without effect: the code decides
}

func (h *Handler) disconnect(ctx context.Context, q *disconnectRequest) (*empty, error) {
	code := wire.DisconnectForceNoReconnect
	o := engine.ControlMessage{Kind: engine.ControlDisconnect, To: q.target.target(), Code: uint32(code), Reason: code.Text()}
	o.To.Except, o.To.ExceptAdmins = q.Whitelist, !h.manages(ctx)
	if q.Disconnect != nil {
		o.Code, o.Reason = q.Disconnect.Code, q.Disconnect.Reason
	}
	return h.command(ctx, o)
}

type refreshRequest struct {
	target   `json:",inline"`
	Expired  bool           `json:"expired"`
	ExpireAt int64          `json:"expire_at"`
	Info     jsontext.Value `json:"info"`
}

func (h *Handler) refresh(ctx context.Context, q *refreshRequest) (*empty, error) {
	return h.command(ctx, engine.ControlMessage{Kind: engine.ControlRefresh, To: q.target.target(), Expired: q.Expired, Expires: unix(q.ExpireAt), Info: q.Info})
}

type revokeRequest struct {
	User         string `json:"user"`
	UID          string `json:"uid"`
	IssuedBefore int64  `json:"issued_before"`
	ExpireAt     int64  `json:"expire_at"`
}

// revoke makes one token invalid, or all tokens of a user that were issued until a time, and closes
// the connections that use them.
func (h *Handler) revoke(ctx context.Context, q *revokeRequest) (*empty, error) {
	switch {
	case (q.User == "") == (q.UID == ""):
		return nil, bad("set either user, or the uid of a token")
	case q.UID != "" && q.IssuedBefore != 0:
		return nil, bad("issued_before goes with user, not with uid")
	}
	at := unix(q.IssuedBefore)
	if at.IsZero() {
		at = time.Now()
	}
	return h.command(ctx, engine.ControlMessage{Kind: engine.ControlRevoke, To: engine.Target{User: q.User}, Token: q.UID, At: at, Until: unix(q.ExpireAt)})
}

type eraseRequest struct {
	User string `json:"user"`
}

func (h *Handler) erase(ctx context.Context, q *eraseRequest) (*empty, error) {
	if q.User == "" {
		return nil, bad("user is missing")
	}
	if err := chat.Erase(ctx, h.cfg.Hub.Engine(), q.User); err != nil {
		return nil, err
	}
	return &empty{}, nil
}
