package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"webim/room/wire"
)

// Prefix is the path of the methods; the name of the method follows it.
const Prefix = "/api/"

// Serves reports whether path belongs to the API.
func Serves(path string) bool { return path == linesPath || strings.HasPrefix(path, Prefix) }

// ServeHTTP answers a request. If the HTTP request itself is wrong, the status says so. If the call
// fails, the status is 200 and the body has the error.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, below := strings.CutPrefix(r.URL.Path, Prefix)
	m, known := methods[name]
	lines := r.URL.Path == linesPath
	switch {
	case !h.cfg.Guard.KnowsHost(r.Host):
		h.told.Warn("api: refused a request for another server", "status", http.StatusMisdirectedRequest, "host", quoted(r.Host), "see", "api_host", "addr", r.RemoteAddr)
		refuse(w, http.StatusMisdirectedRequest, bad("this server is not configured to answer as "+quoted(r.Host)+": use its address or localhost, or add the name to api_host"))
		return
	case below && name == descriptionName:
		serveDescription(w, r)
		return
	}
	r, refused := h.admit(r, m)
	switch {
	case refused != nil && refused.Code == uint32(wire.ErrPermissionDenied):
		h.told.Warn("api: refused a request with a valid key or token that has no right to call the method", "status", http.StatusForbidden, "method", name, "by", callerOf(r.Context()),
			"see", "api_key_rights, the token's role", "addr", r.RemoteAddr)
		refuse(w, http.StatusForbidden, refused)
	case refused != nil && refused.Code == uint32(wire.ErrInternal):
		h.told.Warn("api: refused a request with a token that cannot be judged now", "status", http.StatusServiceUnavailable, "reason", refused.Message, "see", "token_jwks, /ready",
			"addr", r.RemoteAddr)
		w.Header().Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable, refused)
	case refused != nil:
		h.told.Warn("api: refused a request without a valid key or token", "status", http.StatusUnauthorized, "reason", refused.Message,
			"see", "api_key_file", "addr", r.RemoteAddr)
		refuse(w, http.StatusUnauthorized, refused)
	case !lines && !(below && known):
		h.refuse(w, r, http.StatusNotFound, coded(wire.ErrMethodNotFound, "there is no method "+quoted(name)))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		h.refuse(w, r, http.StatusMethodNotAllowed, bad("send it with POST"))
	default:
		body, failed := h.read(w, r)
		switch {
		case !failed && lines:
			h.lines(w, r, body)
		case !failed:
			h.answer(w, r, m, orEmpty(body))
		}
	}
}

// read reads the body. If it fails, it has answered the request, and failed is true.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (body []byte, failed bool) {
	if coding := r.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		h.refuse(w, r, http.StatusUnsupportedMediaType, bad("the body is compressed: send it without Content-Encoding"))
		return nil, true
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.cfg.MaxBody))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		h.refuse(w, r, http.StatusRequestEntityTooLarge, bad("the body is too long"))
		return nil, true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Connection", "close")
		h.refuse(w, r, http.StatusRequestTimeout, bad("the body came too slowly: send the request again"))
		return nil, true
	}
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, bad("the body is incomplete"))
		return nil, true
	}
	return body, false
}

// answer calls the method and writes the result or the error.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, m *method, body []byte) {
	result, failed := h.call(r.Context(), m, body, strict)
	switch {
	case failed != nil:
		write(w, http.StatusOK, failure{failed})
	case m.bare:
		write(w, http.StatusOK, result)
	default:
		write(w, http.StatusOK, success{result})
	}
}
