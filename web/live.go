package web

import (
	"embed"
	"net/http"
)

//go:embed live
var livePage embed.FS

// Live returns the handler of the live picture: the page at "/", and the files that it names.
// It accepts the same requests as Handler, with the same policy. It is a separate handler
// because the live picture is not public. It is safe for concurrent use.
func Live() http.Handler {
	files := load(livePage, "live")
	files["/storage.js"] = load(static, "static")["/storage.js"] // all pages share it
	return serving(files, "There is no such page: the live picture is at /live/.")
}
