package api

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"webim/room"
	"webim/room/name"
	"webim/room/token"
	"webim/room/wire"
)

// A request is let in by a key, which opens everything or what its rights say, or by
// the token of a moderator of all rooms, which opens what its role may do in any.

// caller is the context's key of who asks: a *token.Identity or a *Key.
type caller struct{}

// callerOf is who asks, for the log: the user, or "key NAME".
func callerOf(ctx context.Context) string {
	switch who := ctx.Value(caller{}).(type) {
	case *token.Identity:
		return who.User
	case *Key:
		return "key " + who.Name
	}
	return ""
}

// userOf is the user who asks; "" is a backend.
func userOf(ctx context.Context) string {
	if who, ok := ctx.Value(caller{}).(*token.Identity); ok {
		return who.User
	}
	return ""
}

// manages reports whether who asks is an admin of all rooms, or a backend.
func (h *Handler) manages(ctx context.Context) bool {
	who, ok := ctx.Value(caller{}).(*token.Identity)
	return !ok || h.cfg.Hub.Can(who, addressOf(ctx), room.ActManage, "")
}

// authorOf is who asks as rooms see it; nil is a backend.
func authorOf(ctx context.Context) *room.Author {
	who, ok := ctx.Value(caller{}).(*token.Identity)
	if !ok {
		return nil
	}
	return &room.Author{User: who.User, ConnInfo: who.Info}
}

// admit judges who asks for a method. The error says what to do; nil: the request
// goes on, with a context that knows the caller. m is nil for what takes a key.
func (h *Handler) admit(r *http.Request, m *method) (*http.Request, *Error) {
	if key := h.keyOf(r); key != nil {
		r = r.WithContext(context.WithValue(r.Context(), caller{}, key))
		if m != nil && !key.mayCall(m.name) {
			return r, coded(wire.ErrPermissionDenied, "this key does not open "+m.name+": see api_key_rights")
		}
		return r, nil
	}
	text := credentials(r, "Bearer")
	if text == "" {
		return r, coded(wire.ErrUnauthorized, "the API key is missing or wrong: send it as X-API-Key")
	}
	addr := remote(r)
	who, err := wait(r.Context(), func(done func(*token.Identity, error)) { h.cfg.Hub.Identify(text, addr, done) })
	if err != nil {
		return r, coded(wire.ErrUnauthorized, "the token is not good")
	}
	r = r.WithContext(context.WithValue(context.WithValue(r.Context(), address{}, addr), caller{}, who))
	if m == nil || m.needs == noAction || h.cfg.Hub.Decide(who, addr, m.needs, "") != nil {
		return r, coded(wire.ErrPermissionDenied, "this takes the API key, or the token of one who may do it in all rooms")
	}
	return r, nil
}

// address is the context's key of where a request with a token comes from.
type address struct{}

func addressOf(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(address{}).(netip.Addr)
	return addr
}

// remote is the address that a request comes from; the zero value: it is not known.
func remote(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr().Unmap().WithZone("")
}

// aboutRooms is a request that names rooms: rooms are the places where their names
// stand, of which some may be "".
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

// normalise puts the names of rooms in their one spelling. What is wrong with a name,
// the method finds.
func normalise(request any) {
	switch q := request.(type) {
	case *broadcastRequest: // it answers for each room
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

// mayAsk judges a request by the rooms that it names. A key opens those that its
// rights name. A token opens what the other doors open to it: see package policy. So
// private rooms take a key: who moderates all rooms is not in them.
func (h *Handler) mayAsk(ctx context.Context, method string, a room.Action, request any) error {
	if key, ok := ctx.Value(caller{}).(*Key); ok && !key.may(method, request) {
		return coded(wire.ErrPermissionDenied, "this key does not open "+method+" there: see api_key_rights")
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
		err := h.cfg.Hub.Decide(who, addressOf(ctx), a, *name)
		switch {
		case err != nil && *name != "" && !room.ShownToModerators(*name):
			return coded(wire.ErrPermissionDenied, "this room is private, and takes the API key")
		case err != nil:
			return err
		}
	}
	return nil
}

// keyOf is the key that the request has; nil: none that is good.
func (h *Handler) keyOf(r *http.Request) *Key {
	key := single(r, "X-API-Key")
	if key == "" {
		key = credentials(r, "apikey")
	}
	return h.guard.find(key)
}

// single is the value of a header; "": there is none, or there are several. A proxy may
// judge another one of several than we do, so none of them counts.
func single(r *http.Request, header string) string {
	if all := r.Header.Values(header); len(all) == 1 {
		return all[0]
	}
	return ""
}

// credentials are what the header Authorization has for a scheme, whose case does
// not matter; "": none.
func credentials(r *http.Request, scheme string) string {
	name, rest, _ := strings.Cut(single(r, "Authorization"), " ")
	if !strings.EqualFold(name, scheme) {
		return ""
	}
	return strings.TrimSpace(rest)
}
