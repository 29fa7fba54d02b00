package operator

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
)

// maxSeconds is the longest time over which a profile is taken.
const maxSeconds = 60

// profile serves the profile that the path names. by is the key, for the log.
func (h *handler) profile(w http.ResponseWriter, r *http.Request, by string) {
	name := strings.TrimPrefix(r.URL.Path, profilePath)
	if n, err := strconv.Atoi(r.FormValue("seconds")); r.FormValue("seconds") != "" && (err != nil || n < 1 || n > maxSeconds) {
		http.Error(w, fmt.Sprintf("seconds must be a number from 1 to %d.", maxSeconds), http.StatusBadRequest)
		return
	}
	serve := pprof.Index
	switch {
	case r.URL.Path+"/" == profilePath:
		w.Header().Set("Location", "pprof/") // below a proxy's path prefix, too
		http.Error(w, "The address of this page ends with a slash.", http.StatusTemporaryRedirect)
		return
	case name == "cmdline": // it may have secrets
		http.NotFound(w, r)
		return
	case name == "profile":
		serve = pprof.Profile
	case name == "trace":
		serve = pprof.Trace
	case name == "symbol":
		serve = pprof.Symbol
	}
	h.Logger.Info("a profile is taken", "profile", name, "by", by, "addr", r.RemoteAddr)
	w.Header().Set("Cache-Control", "no-store")
	serve(w, r)
}
