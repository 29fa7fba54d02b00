// Package web holds the web pages of webim, embedded in the binary: plain HTML, CSS and
// JavaScript, without a build step and without third-party requests.
//
// The rules for the pages: a page works without storage, and in the browsers of the last three
// years. It uses the server's clock, and finds the server relative to its own address. It
// isolates the text direction of each name, and reports each refusal in a sentence. Text that a
// user has typed is never lost: if the server would refuse a text for its length, the text
// stays in the box. For that the page counts lengths as the server does, with the limits from
// the call room.info.
//
// The manual is docs/*.md; docgen renders it, see docs.go.
//
// static/app.js signs the user in and out, roomview.js shows the open room, and actions.js has
// the menus; they share state.js. chat.js, built from static/chat, talks to the server and does
// not touch the document. static/identity.js documents how an application that embeds the page
// passes tokens to it.
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

// contentSecurityPolicy allows the page only its own scripts, styles, images and connections.
// 'self' in connect-src covers the WebSocket of the same host and port (CSP 3). With trusted
// types, assigning a string to innerHTML or the like is an error, so a message cannot become
// markup even if the code has a mistake.
const contentSecurityPolicy = "default-src 'none'; " +
	"script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// A file is an embedded file, ready to be served.
type file struct {
	name, contentType, etag string
	body                    []byte
	gzip                    func() []byte // compresses on the first call; returns nil if that saves little
}

// Handler returns the handler of the pages: the chat page at "/", the simple page of the plain
// dialect at "/classic", the manual at "/docs/", and the files that they name. Every other path
// gets 404, and every method except GET and HEAD gets 405. It is safe for concurrent use.
func Handler() http.Handler {
	files := load(static, "static")
	addModule(files)
	return manualOver(serving(files, "There is no such page: the chat is at /, the manual at /docs/."))
}

// serving returns a handler that serves files by path. missing is the text of a 404.
func serving(files map[string]file, missing string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		f, ok := files[r.URL.Path]
		switch {
		case !ok && path.Base(r.URL.Path) != "/" && isPage(files[strings.TrimSuffix(r.URL.Path, "/")]):
			// The references of a page are relative, so it has one address. This redirect is
			// relative, too, so it also works below the path prefix of a proxy.
			to := url.URL{Path: "../" + path.Base(r.URL.Path), RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", to.String())
			http.Error(w, "The address of this page does not end with a slash.", http.StatusTemporaryRedirect)
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

// allowAll allows pages of every origin to import a file. The file is public, and does not
// depend on cookies or other credentials.
func allowAll(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

func isPage(f file) bool { return path.Ext(f.name) == ".html" }

// secure sets the headers of every response, including errors.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// serve lets the browser keep the file, but makes it revalidate each time: after an upgrade of
// the server, no page runs an old script.
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

// load maps request paths to the files below root. A folder's index.html has only the path of
// the folder, so that a page has one address. load panics if the embedded tree cannot be read,
// which cannot happen.
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

// contentType does not use package mime, which would read /etc/mime.types: with a wrong type
// there, nosniff would make browsers block the scripts.
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
	case ".json":
		return "application/json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	return "application/octet-stream"
}
