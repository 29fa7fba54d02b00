package web

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// TestModule checks that chat.js is one file without imports, with the header that lets pages
// of other origins import it, and that no other file has that header.
func TestModule(t *testing.T) {
	parts, err := fs.Glob(static, "static/chat/*.js")
	if err != nil || len(parts) != len(moduleParts) {
		t.Fatalf("%d files in static/chat, %d of them in chat.js (%v)", len(parts), len(moduleParts), err)
	}
	script := body(t, get(t, "GET", modulePath, nil))
	for what, pattern := range map[string]string{
		"an import":    `(?m)^import |^export \{|from '\./`,
		"a source map": `sourceMappingURL`,
	} {
		if found := regexp.MustCompile(pattern).FindString(script); found != "" {
			t.Errorf("chat.js has %s: %q", what, found)
		}
	}
	if !strings.HasPrefix(script, "// chat.js: ") {
		t.Errorf("chat.js begins with %q, not with its description", script[:40])
	}
	types := body(t, get(t, "GET", typesPath, nil))
	for _, m := range regexp.MustCompile(`(?m)^export (?:class|const|function) (\w+)`).FindAllStringSubmatch(script, -1) {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(types) {
			t.Errorf("chat.d.ts does not know %s", m[1])
		}
	}
	for path := range load(static, "static") {
		if strings.HasPrefix(path, "/chat/") {
			continue
		}
		open := path == modulePath || path == typesPath
		h := get(t, "GET", path, nil).Header
		if got := h.Get("Access-Control-Allow-Origin") == "*"; got != open {
			t.Errorf("%s: is every origin allowed? %v, want %v", path, got, open)
		}
		if got := h.Get("Cross-Origin-Resource-Policy") == "cross-origin"; got != open {
			t.Errorf("%s: Cross-Origin-Resource-Policy %q", path, h.Get("Cross-Origin-Resource-Policy"))
		}
	}
	if got := get(t, "GET", modulePath, nil).Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("chat.js allows the origin %q", got)
	}
}

// tooNew are spellings that a browser of November 2023 (Firefox 119, Chrome 119, Safari 17.1)
// does not know or treats as an error.
var tooNew = map[string]*regexp.Regexp{
	"a regular expression with the flag v": regexp.MustCompile(`[^/\s]/[dgimsuy]*v[dgimsuy]*[;,.)\s]`),
	"a modifier in a regular expression":   regexp.MustCompile(`\(\?-?[ims]+(?:-[ims]+)?:`),
	"a regular expression's escape":        regexp.MustCompile(`RegExp\.escape`),
	"a method of 2024 and later":           regexp.MustCompile(`\b(?:Object|Map)\.groupBy\b|Promise\.(?:withResolvers|try)\b|Array\.fromAsync|\.(?:isWellFormed|toWellFormed|intersection|union|difference|isSubsetOf)\(|Iterator\.|Uint8Array\.from(?:Base64|Hex)|Math\.sumPrecise|URL\.parse\(|\.toSorted\(|\.toReversed\(`),
	"an import of something but a script":  regexp.MustCompile(`import [^;]* with \{`),
	"explicit resource management":         regexp.MustCompile(`(?m)^\s*(?:await )?using `),
}

var comment = regexp.MustCompile(`(?m)(?:^|\s)//.*$|/\*[^*]*\*+(?:[^/*][^*]*\*+)*/`)

// TestBrowsersOfThreeYears searches the sources for features that browsers of late 2023 lack.
func TestBrowsersOfThreeYears(t *testing.T) {
	files := load(static, "static")
	for path, f := range load(livePage, "live") {
		files["/live"+path] = f
	}
	for path, f := range files {
		source := comment.ReplaceAllString(string(f.body), "")
		switch {
		case strings.Contains(path, "/vendor/"):
		case strings.HasSuffix(path, ".js"):
			for what, pattern := range tooNew {
				if found := pattern.FindString(source); found != "" {
					t.Errorf("%s has %s: %q", path, what, found)
				}
			}
			if strings.Contains(source, "Intl.Segmenter") && !strings.Contains(source, "typeof Intl.Segmenter === 'function'") {
				t.Errorf("%s needs Intl.Segmenter, which Firefox before 125 lacks", path)
			}
		case strings.HasSuffix(path, ".css"):
			if found := nested(source); found != "" {
				t.Errorf("%s nests a rule: %q", path, found)
			}
			if found := regexp.MustCompile(`:has\(|@scope|@starting-style|light-dark\(|anchor\(|field-sizing|@layer`).FindString(source); found != "" {
				t.Errorf("%s needs %s", path, found)
			}
		}
	}
}

// nested returns the beginning of a rule within another rule; at-rules hold rules.
func nested(css string) string {
	var open []bool // whether a rule, not an at-rule, is open
	start := 0
	for i := range css {
		switch css[i] {
		case '{':
			prelude := strings.TrimSpace(css[start:i])
			if len(open) > 0 && open[len(open)-1] {
				return prelude
			}
			open = append(open, !strings.HasPrefix(prelude, "@"))
			start = i + 1
		case '}':
			open = open[:max(0, len(open)-1)]
			start = i + 1
		case ';':
			start = i + 1
		}
	}
	return ""
}

// TestTooNewIsSeen checks that the patterns and nested find such features.
func TestTooNewIsSeen(t *testing.T) {
	for _, one := range []string{`x = /\p{RGI_Emoji}/v;`, `s.match(/a|b/gv)`, `Object.groupBy(a, f)`, `Promise.withResolvers()`, `a.toSorted()`} {
		seen := false
		for _, pattern := range tooNew {
			seen = seen || pattern.MatchString(one)
		}
		if !seen {
			t.Errorf("%s is not seen", one)
		}
	}
	for css, want := range map[string]bool{
		`a { b { color: red } }`: true, `a { color: red; & b { top: 0 } }`: true, `a { @media print { top: 0 } }`: true,
		`@media print { a { top: 0 } b { top: 0 } }`: false, `@keyframes x { to { top: 0 } }`: false,
	} {
		if got := nested(css) != ""; got != want {
			t.Errorf("nested(%q): %v", css, got)
		}
	}
}
