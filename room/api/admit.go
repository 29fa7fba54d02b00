package api

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"webim/room/apikey"
	"webim/room/await"
	"webim/room/token"
	"webim/room/wire"
)

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

// remote returns the address from which a request comes, or the zero Addr if it is unknown.
func remote(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	return from.Addr().Unmap().WithZone("")
}
