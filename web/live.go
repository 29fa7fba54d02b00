package web

import (
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed live
var livePage embed.FS

// Live returns the handler of the page of the live picture: it is at "/", with the
// files that it names below. It takes what Handler takes, under the same policy, and
// is apart from it because it is not for the world. It is safe for concurrent use.
func Live() http.Handler {
	files := map[string]file{}
	err := fs.WalkDir(livePage, "live", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := livePage.ReadFile(path)
		files[requestPath(strings.TrimPrefix(path, "live/"))] = file{
			name: d.Name(), contentType: contentType(d.Name()), etag: fmt.Sprintf(`"%x"`, sha256.Sum256(body)), body: body,
		}
		return err
	})
	if err != nil {
		panic(err) // the compiler has embedded all of it
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		f, ok := files[r.URL.Path]
		switch {
		case !ok:
			http.Error(w, "There is no such page: the live picture is at /live/.", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Use GET or HEAD.", http.StatusMethodNotAllowed)
		default:
			f.serve(w, r)
		}
	})
}
