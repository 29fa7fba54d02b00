package web

import (
	"embed"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// The manual: the pages that docgen makes of docs/*.md, and the files that they name.
//
//go:embed docs/site docs/docs.css docs/docs.js docs/*.png
var manual embed.FS

// manualPrefix is the path of the manual's first page. All its other paths begin with it.
const manualPrefix = "/docs/"

// manualOver returns a handler that serves the manual at /docs/, and passes all other paths to
// rest. It reads the embedded files at the first request, so a manual without readers costs no
// memory.
func manualOver(rest http.Handler) http.Handler {
	pages := sync.OnceValue(func() http.Handler {
		return serving(manualFiles(), "There is no such page: the manual begins at /docs/.")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, manualPrefix):
			pages().ServeHTTP(w, r)
		case r.URL.Path+"/" == manualPrefix:
			secure(w.Header())
			to := url.URL{Path: "docs/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", to.String())
			http.Error(w, "The address of the manual ends with a slash.", http.StatusTemporaryRedirect)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// manualFiles maps request paths to files: docs/site/tokens.html to /docs/tokens.
func manualFiles() map[string]file {
	files := map[string]file{}
	for path, f := range load(manual, "docs") {
		name := strings.TrimPrefix(strings.TrimPrefix(path, "/site"), "/")
		page := strings.TrimSuffix(name, ".html")
		at := manualPrefix + page
		if _, twice := files[at]; twice {
			panic(fmt.Sprintf("two files of the manual are at %s", at)) // a test would notice
		}
		files[at] = f
	}
	return files
}
