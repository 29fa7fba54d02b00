package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed page.html
var pageTemplate string

// render returns the files of the site by name: a page for each chapter, and search.json.
func render(tree fs.FS) (map[string][]byte, error) {
	if err := checkOrder(tree); err != nil {
		return nil, err
	}
	var all []*chapter
	for _, name := range order {
		c, err := readChapter(tree, name)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	files := map[string][]byte{}
	for i, c := range all {
		files[c.name+".html"] = []byte(page(all, i))
	}
	index, err := searchIndex(all)
	if err != nil {
		return nil, err
	}
	files["search.json"] = index
	return files, nil
}

// checkOrder fails if a file is not a chapter.
func checkOrder(tree fs.FS) error {
	names, err := fs.Glob(tree, "*.md")
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains(order, strings.TrimSuffix(name, path.Ext(name))) {
			return fmt.Errorf("%s is not in the table of contents: add it to order in web/docgen/chapter.go", name)
		}
	}
	return nil
}

// page returns the page of all[at].
func page(all []*chapter, at int) string {
	c := all[at]
	title := c.title
	if at > 0 {
		title += " · webim"
	}
	return strings.NewReplacer(
		"{{title}}", html.EscapeString(title),
		"{{contents}}", contents(all, at),
		"{{sections}}", sections(c),
		"{{body}}", c.body,
		"{{around}}", around(all, at),
	).Replace(pageTemplate)
}

// link returns a link to a chapter.
func link(c *chapter, attributes, text string) string {
	return fmt.Sprintf(`<a href="%s"%s>%s</a>`, address(c.name+".md"), attributes, html.EscapeString(text))
}

// contents returns the list of all chapters, with the sections of the current one.
func contents(all []*chapter, at int) string {
	var b strings.Builder
	b.WriteString("<ul>\n")
	for i, c := range all {
		if i != at {
			fmt.Fprintf(&b, "<li>%s</li>\n", link(c, "", c.title))
			continue
		}
		fmt.Fprintf(&b, "<li>%s%s</li>\n", link(c, ` aria-current="page"`, c.title), list(c))
	}
	b.WriteString("</ul>")
	return b.String()
}

// list returns the list of a chapter's sections of level 2, or "".
func list(c *chapter) string {
	var b strings.Builder
	for _, s := range c.sections {
		if s.level == 2 {
			fmt.Fprintf(&b, "<li><a href=\"#%s\">%s</a></li>\n", s.id, html.EscapeString(s.heading))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return "\n<ul>\n" + b.String() + "</ul>\n"
}

// sections returns the folded list of sections that small screens show above the text.
func sections(c *chapter) string {
	if inner := list(c); inner != "" {
		return "<details class=\"sections\"><summary>On this page</summary>" + inner + "</details>"
	}
	return ""
}

// around returns the links to the previous and the next chapter.
func around(all []*chapter, at int) string {
	var b strings.Builder
	if at > 0 {
		b.WriteString(link(all[at-1], ` rel="prev"`, "← "+all[at-1].title))
	}
	if at+1 < len(all) {
		b.WriteString(link(all[at+1], ` rel="next"`, all[at+1].title+" →"))
	}
	return b.String()
}

// A found is one section in search.json, with short names because the browser loads all.
type found struct {
	Address string `json:"a"`
	Chapter string `json:"c"`
	Heading string `json:"h"`
	Text    string `json:"t"`
}

// searchIndex returns search.json: the texts of all sections.
func searchIndex(all []*chapter) ([]byte, error) {
	index := []found{}
	for _, c := range all {
		for i := range c.sections {
			s := &c.sections[i]
			to := address(c.name + ".md")
			if s.level > 1 {
				to += "#" + s.id
			}
			text := strings.TrimPrefix(strings.Join(strings.Fields(s.text.String()), " "), s.heading)
			index = append(index, found{to, c.title, s.heading, strings.TrimSpace(text)})
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(index)
	return b.Bytes(), err
}
