package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func getLive(t *testing.T, method, target string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	Live().ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w.Result()
}

func TestLive(t *testing.T) {
	const html, js, css, plain = "text/html; charset=utf-8", "text/javascript; charset=utf-8", "text/css; charset=utf-8", "text/plain; charset=utf-8"
	for _, c := range []struct {
		method, target string
		status         int
		contentType    string
	}{
		{"GET", "/", 200, html},
		{"HEAD", "/", 200, html},
		{"GET", "/live.js", 200, js},
		{"GET", "/live.css", 200, css},
		{"GET", "/vendor/uPlot-1.6.32/uPlot.esm.js", 200, js},
		{"GET", "/vendor/uPlot-1.6.32/uPlot.min.css", 200, css},
		{"GET", "/vendor/", 404, plain},
		{"GET", "/index.html", 404, plain},
		{"GET", "/../live.go", 404, plain},
		{"POST", "/", 405, plain},
	} {
		r := getLive(t, c.method, c.target)
		if got := r.Header.Get("Content-Type"); r.StatusCode != c.status || got != c.contentType {
			t.Errorf("%s %s: %d, %q", c.method, c.target, r.StatusCode, got)
		}
		checkSecurityHeaders(t, r.Header)
	}
	// None of it is public.
	for _, target := range []string{"/live", "/live/", "/live/live.js", "/live.js"} {
		if r := get(t, "GET", target, nil); r.StatusCode != 404 {
			t.Errorf("the chat's pages have %s", target)
		}
	}
}

// The page and its modules load nothing else, make no markup from texts, and keep the key only
// as long as the tab.
func TestLiveNeedsOnlyItself(t *testing.T) {
	names := map[string]*regexp.Regexp{
		".html": regexp.MustCompile(`(?:src|href)="([^"]*)"`),
		".js":   regexp.MustCompile(`(?m)^import .* from '([^']*)'`),
	}
	forbidden := map[string]*regexp.Regexp{
		"a request elsewhere":          regexp.MustCompile(`(?i)["'\x60(]\s*(https?:|wss?:)?//`),
		"an inline script or style":    regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\sstyle=|<[^>]*\son[a-z]+=`),
		"a text that becomes markup":   regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`),
		"a style that the policy bars": regexp.MustCompile(`setAttribute\('style'|cssText`),
		"the key in another place":     regexp.MustCompile(`localStorage\.setItem\([^)]*key|document\.cookie|[?&]key=`),
	}
	err := fs.WalkDir(livePage, "live", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := livePage.ReadFile(file)
		if err != nil {
			return err
		}
		if named := names[path.Ext(file)]; named != nil {
			for _, n := range named.FindAllStringSubmatch(string(b), -1) {
				target := strings.TrimPrefix(path.Join(path.Dir(file), n[1]), "live")
				if r := getLive(t, "GET", target); r.StatusCode != 200 {
					t.Errorf("%s names %s, which answers %d", file, n[1], r.StatusCode)
				}
			}
			for what, pattern := range forbidden {
				if found := pattern.FindString(string(b)); found != "" && !strings.Contains(file, "vendor") {
					t.Errorf("%s has %s: %q", file, what, found)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Both languages have the same texts, with the same values.
func TestLiveLanguagesHaveTheSameStrings(t *testing.T) {
	b, err := livePage.ReadFile("live/lang.js")
	if err != nil {
		t.Fatal(err)
	}
	en, zh, _ := strings.Cut(string(b), "\n  zh: {")
	words := func(text string) map[string]string {
		all := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)(?:^    |, )(\w+): '([^']*)'`).FindAllStringSubmatch(text, -1) {
			values := regexp.MustCompile(`\{\w+\}`).FindAllString(m[2], -1)
			slices.Sort(values)
			all[m[1]] = strings.Join(values, "")
		}
		return all
	}
	said, other := words(en), words(zh)
	if len(said) < 80 {
		t.Errorf("only %d strings", len(said))
	}
	for key := range said {
		if values, there := other[key]; !there || values != said[key] {
			t.Errorf("%s: %q in English, %q (%v) in Chinese", key, said[key], values, there)
		}
	}
	if len(other) != len(said) {
		t.Errorf("%d strings in Chinese, %d in English", len(other), len(said))
	}
}
