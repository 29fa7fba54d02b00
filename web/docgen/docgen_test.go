package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// TestSiteIsUpToDate fails if the pages in the repository are not those that docgen writes.
func TestSiteIsUpToDate(t *testing.T) {
	const folder = "../docs"
	files, err := render(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	there, err := os.ReadDir(filepath.Join(folder, "site"))
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(files) {
		t.Errorf("web/docs/site has %d files, want %d: run make docs", len(there), len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, "site", name))
		if err != nil || string(got) != string(want) {
			t.Errorf("web/docs/site/%s is not up to date (%v): run make docs", name, err)
		}
	}
}

// site returns a manual in which one chapter has a text.
func site(name, text string) fstest.MapFS {
	tree := fstest.MapFS{}
	for _, one := range order {
		tree[one+".md"] = &fstest.MapFile{Data: []byte("# " + one + "\n")}
	}
	tree[name+".md"] = &fstest.MapFile{Data: []byte(text)}
	return tree
}

func TestRender(t *testing.T) {
	files, err := render(site("rooms", "# Rooms & `<rights>`\n\n<!-- a mark -->\nSee [limits](limits.md#a-limit), [start](index.md), [out](https://example.org/a.md).\n\n"+
		"## A `code` section\n\n| a | b |\n| :-- | --- |\n| `x` | <b>bold</b> |\n\n```sh\na < b\n```\n"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(files["rooms.html"])
	for _, want := range []string{
		"<title>Rooms &amp; &lt;rights&gt; · webim</title>", `href="limits#a-limit"`, `href="./"`, `href="https://example.org/a.md"`,
		`<h2 id="a-code-section">`, `<div class="wide" tabindex="0"><table>`, `<pre tabindex="0"><code class="language-sh">a &lt; b`,
		`<a href="rooms" aria-current="page">`, `<a href="#a-code-section">A code section</a>`, `rel="prev"`, `rel="next"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s:\n%s", want, page)
		}
	}
	for _, bad := range []string{"a mark", "<b>bold", "style="} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if index := string(files["search.json"]); !strings.Contains(index, `{"a":"rooms#a-code-section","c":"Rooms & <rights>","h":"A code section","t":"a b x bold a < b"}`) {
		t.Errorf("the index: %s", index)
	}
}

func TestRenderRefuses(t *testing.T) {
	for name, tree := range map[string]fstest.MapFS{
		"a file that is no chapter":  func() fstest.MapFS { s := site("rooms", "# Rooms\n"); s["other.md"] = s["rooms.md"]; return s }(),
		"a chapter without a file":   func() fstest.MapFS { s := site("rooms", "# Rooms\n"); delete(s, "rooms.md"); return s }(),
		"no title":                   site("rooms", "Text.\n"),
		"a section before the title": site("rooms", "## Section\n\n# Rooms\n"),
		"two titles":                 site("rooms", "# Rooms\n\n# Rights\n"),
	} {
		if _, err := render(tree); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
