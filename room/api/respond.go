package api

import (
	"net/http"

	"github.com/go-json-experiment/json"
)

// success and failure are the two forms of a response body.
type success struct {
	Result any `json:"result"`
}

type failure struct {
	Error *Error `json:"error"`
}

// refuse refuses a request of a caller with a valid key or token that is no call, and logs that.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, status int, e *Error) {
	h.told.Info("api: refused a request that is no call", "status", status, "reason", e.Message, "by", callerOf(r.Context()), "addr", r.RemoteAddr)
	refuse(w, status, e)
}

func refuse(w http.ResponseWriter, status int, e *Error) { write(w, status, failure{e}) }

// write writes a response. It ignores a write error, because the client is gone then.
func write(w http.ResponseWriter, status int, answer any) {
	b, err := json.Marshal(answer, json.Deterministic(true))
	if err != nil { // the engine stored data that is not JSON
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":100,"message":"internal server error"}}`)
	}
	writeBytes(w, status, b)
}

func writeBytes(w http.ResponseWriter, status int, b []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
