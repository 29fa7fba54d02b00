package web

import (
	"embed"
	"net/http"
)

//go:embed live
var livePage embed.FS

// Live returns the handler of the page of the live picture: it is at "/", with the
// files that it names below. It takes what Handler takes, under the same policy, and
// is apart from it because it is not for the world. It is safe for concurrent use.
func Live() http.Handler {
	files := load(livePage, "live")
	files["/storage.js"] = load(static, "static")["/storage.js"] // one guard for all pages
	return serving(files, "There is no such page: the live picture is at /live/.")
}
