package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pages are loaded once, because compressing them is slow.
var pages = Handler()

func get(t *testing.T, method, target string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHandler(t *testing.T) {
	const html, js, css, svg = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8", "image/svg+xml"
	const plain = "text/plain; charset=utf-8"
	tests := []struct {
		method, target string
		status         int
		contentType    string
	}{
		{"GET", "/", 200, html},
		{"HEAD", "/", 200, html},
		{"GET", "/?room=name", 200, html},
		{"GET", "/app.js", 200, js},
		{"GET", "/style.css", 200, css},
		{"GET", "/favicon.svg", 200, svg},
		{"GET", "/classic", 200, html},
		{"GET", "/classic?room=name", 200, html},
		{"GET", "/classic/classic.js", 200, js},
		{"GET", "/lang/zh.js", 200, js},
		{"GET", "/chat.js", 200, js},
		{"GET", "/chat.d.ts", 200, plain},
		{"GET", "/chat/main.js", 404, plain},
		{"GET", "/vendor/centrifuge-5.8.0/centrifuge.js", 200, js},
		{"GET", "/index.html", 404, plain},
		{"GET", "/classic/", 307, plain},
		{"GET", "/classic//", 404, plain},
		{"GET", "/classic/index.html", 404, plain},
		{"GET", "/lang", 404, plain},
		{"GET", "/static/app.js", 404, plain},
		{"GET", "/app.js/", 404, plain},
		{"GET", "//", 404, plain},
		{"GET", "/../web.go", 404, plain},
		{"POST", "/", 405, plain},
		{"PUT", "/app.js", 405, plain},
		{"OPTIONS", "/", 405, plain},
		{"POST", "/nothing", 404, plain},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			r := get(t, tt.method, tt.target, nil)
			if r.StatusCode != tt.status {
				t.Errorf("status %d, want %d", r.StatusCode, tt.status)
			}
			if got := r.Header.Get("Content-Type"); got != tt.contentType {
				t.Errorf("Content-Type %q, want %q", got, tt.contentType)
			}
			if got, want := r.Header.Get("Allow") == "GET, HEAD", tt.status == 405; got != want {
				t.Errorf("Allow %q with status %d", r.Header.Get("Allow"), tt.status)
			}
			if empty := body(t, r) == ""; empty != (tt.method == "HEAD") {
				t.Errorf("empty body: %v", empty)
			}
			if tt.target == modulePath || tt.target == typesPath {
				r.Header.Set("Cross-Origin-Resource-Policy", "same-origin") // TestModule checks it
			}
			checkSecurityHeaders(t, r.Header)
		})
	}
}

func checkSecurityHeaders(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	policy := h.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("the policy does not start from nothing: %q", policy)
	}
	for _, loose := range []string{"unsafe", "*", "http:", "https:", "data:", "blob:", " ws:", " wss:"} {
		if strings.Contains(policy, loose) {
			t.Errorf("the policy allows %q: %q", loose, policy)
		}
	}
}

func TestRevalidation(t *testing.T) {
	first := get(t, "GET", "/app.js", nil)
	etag := first.Header.Get("ETag")
	if etag == "" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("ETag %q, Cache-Control %q", etag, first.Header.Get("Cache-Control"))
	}
	again := get(t, "GET", "/app.js", http.Header{"If-None-Match": {etag}})
	if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
		t.Errorf("status %d for the tag just given, want 304 without a body", again.StatusCode)
	}
	checkSecurityHeaders(t, again.Header)
	if other := get(t, "GET", "/style.css", nil).Header.Get("ETag"); other == etag {
		t.Error("two files have one ETag")
	}
}

// TestPagesNeedOnlyThemselves reads the pages as a browser does under the policy: every
// reference is to a file that Handler serves, and nothing is inline.
func TestPagesNeedOnlyThemselves(t *testing.T) {
	for target, files := range map[string]int{"/": 8, "/classic": 3} {
		page := body(t, get(t, "GET", target, nil))
		names := regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(page, -1)
		if len(names) != files {
			t.Errorf("%s names %d files, want %d", target, len(names), files)
		}
		for _, n := range names {
			if r := get(t, "GET", "/"+n[1], nil); r.StatusCode != http.StatusOK {
				t.Errorf("%s names %q, which answers %d", target, n[1], r.StatusCode)
			}
		}
		for what, pattern := range map[string]string{
			"a request elsewhere": `(?i)(https?:)?//`,
			"an inline script":    `(?i)<script[^>]*>[^<]`,
			"an inline style":     `(?i)<style|\sstyle=`,
			"an inline handler":   `(?i)\son[a-z]+=`,
		} {
			if found := regexp.MustCompile(pattern).FindString(page); found != "" {
				t.Errorf("%s has %s: %q", target, what, found)
			}
		}
	}
}

// TestScriptsMakeNoMarkup is a tripwire for reviewers; the browser tests show the behaviour. It
// also checks that all imports exist.
func TestScriptsMakeNoMarkup(t *testing.T) {
	scripts := 0
	for path, f := range load(static, "static") {
		if !strings.HasSuffix(path, ".js") || strings.HasPrefix(path, "/vendor/") {
			continue
		}
		scripts++
		script := string(f.body)
		if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\('(on|style)`).FindString(script); found != "" {
			t.Errorf("%s uses %q: set textContent instead", path, found)
		}
		for _, m := range regexp.MustCompile(`(?m)^import .*from '\./([^']+)'`).FindAllStringSubmatch(script, -1) {
			if strings.HasPrefix(path, "/chat/") {
				if !slices.Contains(moduleParts, m[1]) {
					t.Errorf("%s imports %q, which is no part of chat.js", path, m[1])
				}
				continue
			}
			if r := get(t, "GET", "/"+m[1], nil); r.StatusCode != http.StatusOK {
				t.Errorf("%s imports %q, which answers %d", path, m[1], r.StatusCode)
			}
		}
	}
	if scripts < 10 {
		t.Errorf("only %d scripts", scripts)
	}
}

// TestLanguagesHaveTheSameStrings.
func TestLanguagesHaveTheSameStrings(t *testing.T) {
	keys := func(path string) map[string]bool {
		all := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?:^|, |\n  )(\w+): ['"({]`).FindAllStringSubmatch(string(load(static, "static")[path].body), -1) {
			all[m[1]] = true
		}
		return all
	}
	en, zh := keys("/lang/en.js"), keys("/lang/zh.js")
	if len(en) < 50 {
		t.Errorf("only %d strings", len(en))
	}
	for key := range en {
		if !zh[key] {
			t.Errorf("zh.js lacks %s", key)
		}
	}
	for key := range zh {
		if !en[key] {
			t.Errorf("en.js lacks %s", key)
		}
	}
}
