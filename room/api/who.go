package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"webim/room/apikey"
	"webim/room/await"
	"webim/room/engine"
	"webim/room/judge"
	"webim/room/name"
	"webim/room/policy"
	"webim/room/token"
	"webim/room/wire"
)

// A key opens all methods, or those that its rights name. The token of a moderator of all rooms
// opens the methods that the role allows in any room.

// caller is the context key of the request's caller, a *token.Identity or a *apikey.Key.
type caller struct{}

// callerOf returns the caller for the log: the user, or "key NAME".
func callerOf(ctx context.Context) string {
	switch who := ctx.Value(caller{}).(type) {
	case *token.Identity:
		return who.User
	case *apikey.Key:
		return "key " + who.Name
	}
	return ""
}

// userOf returns the user in the request's token, or "" for a backend with a key.
func userOf(ctx context.Context) string {
	if who, ok := ctx.Value(caller{}).(*token.Identity); ok {
		return who.User
	}
	return ""
}

// manages reports whether the caller is a backend with a key, or an admin of all rooms.
func (h *Handler) manages(ctx context.Context) bool {
	who, ok := ctx.Value(caller{}).(*token.Identity)
	return !ok || h.cfg.Hub.Judge().Request(who, addressOf(ctx), policy.ActManage, "").Outcome == policy.Allow
}

// authorOf returns the caller as rooms show it, or nil for a backend with a key.
func authorOf(ctx context.Context) *engine.Author {
	who, ok := ctx.Value(caller{}).(*token.Identity)
	if !ok {
		return nil
	}
	return &engine.Author{User: who.User, ConnInfo: who.Info}
}

// admit checks the key or token of a request for a method. If it returns no error, the context of
// the returned request has the caller. m is nil for requests that need a key. The error tells the
// client what to do.
func (h *Handler) admit(r *http.Request, m *method) (*http.Request, *Error) {
	if key := h.keyOf(r); key != nil {
		r = r.WithContext(context.WithValue(r.Context(), caller{}, key))
		if m != nil && !keyCalls(key, m.name) {
			return r, coded(wire.ErrPermissionDenied, "this key has no right to call "+m.name+": see api_key_rights")
		}
		return r, nil
	}
	text := credentials(r, "Bearer")
	if text == "" {
		return r, coded(wire.ErrUnauthorized, "the API key is missing or wrong: send it as X-API-Key")
	}
	addr := remote(r)
	who, err := await.Value(r.Context(), func(done func(*token.Identity, error)) { h.cfg.Hub.Judge().Identify(text, addr, done) })
	switch {
	case errors.Is(err, wire.ErrInternal): // its key cannot be fetched, or judge.ErrStateOld
		return r, coded(wire.ErrInternal, "the token cannot be judged now: try again")
	case err != nil:
		return r, coded(wire.ErrUnauthorized, "the token is not valid")
	}
	r = r.WithContext(context.WithValue(context.WithValue(r.Context(), address{}, addr), caller{}, who))
	if m == nil || m.needs == noAction || h.check(who, addr, m.needs, "") != nil {
		return r, coded(wire.ErrPermissionDenied, "this needs an API key, or the token of a user with the right to do it in all rooms")
	}
	return r, nil
}

// address is the context key of the address from which a request with a token comes.
type address struct{}

func addressOf(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(address{}).(netip.Addr)
	return addr
}

// remote returns the address from which a request comes, or the zero Addr if it is unknown.
func remote(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr().Unmap().WithZone("")
}

// aboutRooms is a request that names rooms. rooms returns pointers to the names, some of which may
// be "".
type aboutRooms interface{ rooms() []*string }

func (q *roomRequest) rooms() []*string        { return []*string{&q.Channel} }
func (q *historyRequest) rooms() []*string     { return []*string{&q.Channel} }
func (q *sanctionRequest) rooms() []*string    { return []*string{&q.Channel} }
func (q *sanctionsRequest) rooms() []*string   { return []*string{&q.Channel} }
func (q *publishRequest) rooms() []*string     { return []*string{&q.Channel} }
func (q *subscribeRequest) rooms() []*string   { return []*string{&q.Channel} }
func (q *unsubscribeRequest) rooms() []*string { return []*string{&q.Channel} }

func (q *broadcastRequest) rooms() (all []*string) {
	for i := range q.Channels {
		all = append(all, &q.Channels[i])
	}
	return all
}

// normalise rewrites the names of rooms in the request to their normal form. It leaves an invalid
// name as it is; the method reports it.
func normalise(request any) {
	switch q := request.(type) {
	case *broadcastRequest: // it reports an error for each room separately
	case *channelsRequest:
		q.Pattern = name.Normal(q.Pattern)
	case aboutRooms:
		for _, room := range q.rooms() {
			if normal, err := name.Room(*room); err == nil {
				*room = normal
			}
		}
	}
}

// mayAsk checks the rooms that a request names against the caller's rights. A key opens the rooms
// that its rights name. A token opens the rooms that the user may also reach by other ways; package
// policy decides. So private rooms need a key: a moderator of all rooms is not a member of them.
func (h *Handler) mayAsk(ctx context.Context, method string, a policy.Action, request any) error {
	if key, ok := ctx.Value(caller{}).(*apikey.Key); ok && !keyOpens(key, method, request) {
		return coded(wire.ErrPermissionDenied, "this key has no right to call "+method+" there: see api_key_rights")
	}
	who, ok := ctx.Value(caller{}).(*token.Identity)
	if !ok {
		return nil // a key
	}
	names := []*string{new(string)}
	if q, ok := request.(aboutRooms); ok {
		names = q.rooms()
	}
	for _, name := range names {
		err := h.check(who, addressOf(ctx), a, *name)
		switch {
		case err != nil && *name != "" && !judge.ShownToModerators(*name):
			return coded(wire.ErrPermissionDenied, "this room is private: use an API key")
		case err != nil:
			return err
		}
	}
	return nil
}

// check returns nil if the rights of a user permit an action in a room, or in all rooms if name is "".
func (h *Handler) check(who *token.Identity, addr netip.Addr, a policy.Action, name string) error {
	return h.cfg.Hub.Judge().Refusal(h.cfg.Hub.Judge().Request(who, addr, a, name))
}

// keyOf returns the key that the request has, or nil if it has no valid key.
func (h *Handler) keyOf(r *http.Request) *apikey.Key {
	key := single(r, "X-API-Key")
	if key == "" {
		key = credentials(r, "apikey")
	}
	return h.cfg.Guard.Find(key)
}

// single returns the value of a header. If the header is absent or appears more than once, single
// returns "". A proxy in front of webim may check a different one of several values than webim
// does, so none of them counts.
func single(r *http.Request, header string) string {
	if all := r.Header.Values(header); len(all) == 1 {
		return all[0]
	}
	return ""
}

// credentials returns the credentials of the Authorization header if its scheme is the given one,
// in any case; otherwise "".
func credentials(r *http.Request, scheme string) string {
	name, rest, _ := strings.Cut(single(r, "Authorization"), " ")
	if !strings.EqualFold(name, scheme) {
		return ""
	}
	return strings.TrimSpace(rest)
}
