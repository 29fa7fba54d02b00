// Package web holds the pages that webim serves, embedded in the binary: plain
// HTML, CSS and JavaScript, with no build step and no third-party request.
//
// The rule for the pages: a page works without storage and in the browsers of the last
// three years, tells the time by the server's clock, finds the server relative to its
// own address, shows each name in an isolate of its own, and tells a refusal in a
// sentence; what somebody has typed is never lost. A text that the server would refuse
// for its length stays in the box: the page counts as the server does, by the limits
// that the call room.info tells.
//
// static/app.js brings the user in and out, roomview.js shows the open room, actions.js
// has the menus; they share state.js. chat.js, which is made of static/chat, knows the
// server and nothing of the document. static/identity.js documents how an application
// that embeds the page gives it tokens.
package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
)

//go:embed static
var static embed.FS

// contentSecurityPolicy allows the page its own script, style, icon and socket,
// and nothing else. 'self' in connect-src covers the WebSocket of the same host
// and port (CSP 3). Trusted types make assigning a string to innerHTML and its
// like an error, so a message cannot become markup even by a later mistake.
const contentSecurityPolicy = "default-src 'none'; " +
	"script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// A file is one embedded file, ready to be served.
type file struct {
	name, contentType, etag string
	body                    []byte
	gzip                    func() []byte // made when somebody first asks; nil where it saves little
}

// Handler returns the handler of the pages: the chat page at "/", the
// simple one of the plain dialect at "/classic", and the files that they name. Every other path is 404, every method other than GET
// and HEAD 405. It is safe for concurrent use.
func Handler() http.Handler {
	files := load(static, "static")
	addModule(files)
	return serving(files, "There is no such page: the chat is at /.")
}

// serving answers with files by their paths; missing is said where there is none.
func serving(files map[string]file, missing string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		f, ok := files[r.URL.Path]
		switch {
		case !ok && path.Base(r.URL.Path) != "/" && isPage(files[strings.TrimSuffix(r.URL.Path, "/")]):
			// The references of a page are relative, so it has one address. This
			// redirect is relative, too, and holds below the prefix of a proxy.
			to := url.URL{Path: "../" + path.Base(r.URL.Path), RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", to.String())
			http.Error(w, "This page has its address without the last slash.", http.StatusTemporaryRedirect)
		case !ok:
			http.Error(w, missing, http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Use GET or HEAD.", http.StatusMethodNotAllowed)
		default:
			if r.URL.Path == modulePath || r.URL.Path == typesPath {
				allowAll(w.Header())
			}
			f.serve(w, r)
		}
	})
}

// allowAll lets pages of every origin import a file. It is public, and no cookie or
// other credential of a user has any bearing on it.
func allowAll(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

func isPage(f file) bool { return path.Ext(f.name) == ".html" }

// secure sets the headers of every answer, errors included.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// serve lets the browser keep the file but ask each time: after an upgrade of
// the server no page runs with yesterday's script.
func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache")
	body, etag := f.body, f.etag
	if gzipped := f.gzip(); gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			body, etag = gzipped, strings.TrimSuffix(etag, `"`)+`-gzip"`
		}
	}
	h.Set("ETag", etag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(body))
}

// load maps request paths to the files below a folder; a folder's index.html is at the folder's name
// only, so that a page has one address. It panics if the embedded tree cannot be
// read, which the compiler rules out.
func load(tree embed.FS, root string) map[string]file {
	files := map[string]file{}
	err := fs.WalkDir(tree, root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := tree.ReadFile(name)
		files[requestPath(strings.TrimPrefix(name, root+"/"))] = file{
			name:        e.Name(),
			contentType: contentType(e.Name()),
			etag:        fmt.Sprintf(`"%x"`, sha256.Sum256(body)),
			body:        body,
			gzip:        sync.OnceValue(func() []byte { return compressed(body) }),
		}
		return err
	})
	if err != nil {
		panic(err)
	}
	return files
}

func requestPath(name string) string {
	if page, ok := strings.CutSuffix("/"+name, "/index.html"); ok {
		return cmp.Or(page, "/")
	}
	return "/" + name
}

// contentType does not trust the machine: package mime would let
// /etc/mime.types say what a script is, and nosniff would then block it.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".ts":
		return "text/plain; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}
