package operator

import (
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxWho is the maximum length of the name of a user, an address or a connection, in bytes.
const maxWho = 1024

// why answers the question why the connections of a user, an address or an id have ended. by is the key,
// for the log.
func (h *handler) why(w http.ResponseWriter, r *http.Request, by string) {
	who := r.FormValue("who")
	if who == "" || len(who) > maxWho {
		http.Error(w, "Name a user, an IP address or the id of a connection, as ?who=ann.", http.StatusBadRequest)
		return
	}
	h.Logger.Info("audit", "action", "why", "by", by, "room", "", "target", who)
	answer := make(chan any, 1)
	h.Why(who, func(found any) { answer <- found })
	select {
	case found := <-answer:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.MarshalWrite(w, found, jsontext.AllowInvalidUTF8(true)) // an error is the client's end
	case <-r.Context().Done():
	}
}
