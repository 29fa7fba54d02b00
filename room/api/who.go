package api

import (
	"context"
	"net/netip"

	"webim/room/apikey"
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

// address is the context key of the address from which a request with a token comes.
type address struct{}

func addressOf(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(address{}).(netip.Addr)
	return addr
}

// normalise rewrites the names of rooms in the request to their normal form. It leaves an invalid
// name as it is; the method reports it.
func normalise(request any) {
	q, ok := request.(aboutRooms)
	if !ok {
		return
	}
	for _, room := range q.rooms() {
		if normal, err := name.Room(*room); err == nil {
			*room = normal
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
