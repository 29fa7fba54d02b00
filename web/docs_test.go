package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestManual(t *testing.T) {
	const html, plain = "text/html; charset=utf-8", "text/plain; charset=utf-8"
	for _, tt := range []struct {
		method, target string
		status         int
		contentType    string
		location       string
	}{
		{"GET", "/docs/", 200, html, ""},
		{"HEAD", "/docs/", 200, html, ""},
		{"GET", "/docs", 307, plain, "docs/"},
		{"GET", "/docs?a=b", 307, plain, "docs/?a=b"},
		{"GET", "/docs/configuration", 200, html, ""},
		{"GET", "/docs/configuration/", 307, plain, "../configuration"},
		{"GET", "/docs/configuration.html", 404, plain, ""},
		{"GET", "/docs/index", 404, plain, ""},
		{"GET", "/docs/site/index.html", 404, plain, ""},
		{"GET", "/docs/index.md", 404, plain, ""},
		{"GET", "/docs/../docs.go", 404, plain, ""},
		{"GET", "/docs//", 307, plain, "../docs"},
		{"GET", "/docs/docs.css", 200, "text/css; charset=utf-8", ""},
		{"GET", "/docs/docs.js", 200, "text/javascript; charset=utf-8", ""},
		{"GET", "/docs/search.json", 200, "application/json", ""},
		{"GET", "/docs/chat.png", 200, "image/png", ""},
		{"POST", "/docs/", 405, plain, ""},
		{"GET", "/docsx", 404, plain, ""},
	} {
		r := get(t, tt.method, tt.target, nil)
		if r.StatusCode != tt.status || r.Header.Get("Content-Type") != tt.contentType || r.Header.Get("Location") != tt.location {
			t.Errorf("%s %s: %d %s %q", tt.method, tt.target, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Location"))
		}
		checkSecurityHeaders(t, r.Header)
		if tt.status == 200 && (r.Header.Get("ETag") == "" || r.Header.Get("Cache-Control") != "no-cache") {
			t.Errorf("%s: ETag %q, Cache-Control %q", tt.target, r.Header.Get("ETag"), r.Header.Get("Cache-Control"))
		}
	}
	first := get(t, "GET", "/docs/tokens", nil)
	if again := get(t, "GET", "/docs/tokens", http.Header{"If-None-Match": {first.Header.Get("ETag")}}); again.StatusCode != http.StatusNotModified {
		t.Errorf("status %d for the tag just given, want 304", again.StatusCode)
	}
}

// manualPages returns all pages of the manual by their path, found by their links.
func manualPages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	todo := []string{"/docs/"}
	for len(todo) > 0 {
		at := todo[0]
		todo = todo[1:]
		if _, seen := pages[at]; seen {
			continue
		}
		r := get(t, "GET", at, nil)
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %d", at, r.StatusCode)
		}
		pages[at] = body(t, r)
		for _, link := range links(pages[at]) {
			if to := resolve(t, at, link); to.Host == "" && to.Path != "/" {
				todo = append(todo, to.Path)
			}
		}
	}
	return pages
}

func links(page string) (all []string) {
	for _, m := range regexp.MustCompile(`<a [^>]*href="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		all = append(all, strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	return all
}

func resolve(t *testing.T, at, link string) *url.URL {
	t.Helper()
	to, err := (&url.URL{Path: at}).Parse(link)
	if err != nil {
		t.Fatalf("%s: the link %q: %v", at, link, err)
	}
	return to
}

// TestManualLinks checks that each link and each picture leads somewhere: to a page, and to an
// element of it.
func TestManualLinks(t *testing.T) {
	pages := manualPages(t)
	if len(pages) < 15 {
		t.Errorf("only %d pages", len(pages))
	}
	for at, page := range pages {
		for _, link := range links(page) {
			to := resolve(t, at, link)
			if to.Host != "" && to.Scheme != "https" {
				t.Errorf("%s: the link %q is not https", at, link)
			}
			target, ok := pages[to.Path]
			if to.Host == "" && (!ok || to.Fragment != "" && !strings.Contains(target, ` id="`+to.Fragment+`"`)) {
				t.Errorf("%s: the link %q leads nowhere", at, link)
			}
		}
		for _, m := range regexp.MustCompile(`<(?:img|script|link)[^>]* (?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1) {
			if to := resolve(t, at, m[1]); to.Host != "" || get(t, "GET", to.Path, nil).StatusCode != http.StatusOK {
				t.Errorf("%s needs %q, which webim does not serve", at, m[1])
			}
		}
		for what, pattern := range map[string]string{
			"an inline script":  `(?i)<script[^>]*>[^<]`,
			"an inline style":   `(?i)<style|<[^>]+\sstyle=`,
			"an inline handler": `(?i)<[^>]+\son[a-z]+=`,
		} {
			if found := regexp.MustCompile(pattern).FindString(page); found != "" {
				t.Errorf("%s has %s: %q", at, what, found)
			}
		}
		if strings.Contains(page, "raw HTML omitted") {
			t.Errorf("%s has raw HTML, which is not rendered", at)
		}
	}
}

// TestSearchIndex checks that each entry of the index leads to a section.
func TestSearchIndex(t *testing.T) {
	var index []struct{ A, C, H, T string }
	if err := json.Unmarshal([]byte(body(t, get(t, "GET", "/docs/search.json", nil))), &index); err != nil {
		t.Fatal(err)
	}
	pages := manualPages(t)
	chapters := map[string]bool{}
	for _, one := range index {
		to := resolve(t, "/docs/", one.A)
		chapters[path.Base(to.Path)] = true
		if page, ok := pages[to.Path]; !ok || one.H == "" || one.C == "" || to.Fragment != "" && !strings.Contains(page, ` id="`+to.Fragment+`"`) {
			t.Errorf("the entry %q leads nowhere", one.A)
		}
	}
	if len(chapters) != len(pages) {
		t.Errorf("the index has %d chapters, and there are %d pages", len(chapters), len(pages))
	}
}
