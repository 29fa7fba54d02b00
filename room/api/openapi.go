package api

import (
	_ "embed"
	"net/http"
)

// descriptionName is the path of openapi.json below Prefix. Reading it needs no key, because it
// says nothing about this server.
const descriptionName = "openapi.json"

//go:embed openapi.json
var description []byte

func serveDescription(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, bad("send it with GET"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(description)
}
