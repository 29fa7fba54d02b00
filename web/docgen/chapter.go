package main

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// order is the order of the chapters in the table of contents. The first one is the page at
// /docs/.
var order = []string{
	"index", "getting-started", "production", "deploy", "upgrade", "watching", "storage", "configuration", "limits",
	"rooms", "tokens", "clients", "chat", "plain",
	"api", "hooks", "netpoll", "measuring", "troubleshooting", "contributing", "changelog",
}

// A chapter is one Markdown file.
type chapter struct {
	name     string // of the file, without .md
	title    string // the heading of level 1
	sections []section
	body     string // HTML
}

// A section is the part of a chapter below one heading. The first one is below the title.
type section struct {
	level   int
	id      string
	heading string
	text    strings.Builder // without markup, for the search
}

// markdown renders CommonMark with tables. Raw HTML in a file is left out. The alignment of a
// column would be an inline style, which the page's policy forbids.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(html.WithXHTML()),
)

// comments are the marks around generated parts of a file. They are not part of the page.
var comments = regexp.MustCompile(`(?m)^<!--.*-->\n`)

// readChapter reads and renders one file. The parser gives each heading its id.
func readChapter(tree fs.FS, name string) (*chapter, error) {
	source, err := fs.ReadFile(tree, name+".md")
	if err != nil {
		return nil, err
	}
	source = comments.ReplaceAll(source, nil)
	doc := markdown.Parser().Parse(text.NewReader(source))
	c := &chapter{name: name}
	if err := ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		return ast.WalkContinue, c.visit(n, entering, source)
	}); err != nil {
		return nil, fmt.Errorf("%s.md: %w", name, err)
	}
	if c.title == "" {
		return nil, fmt.Errorf("%s.md: it needs one heading of level 1, in front of everything else", name)
	}
	var body strings.Builder
	if err := markdown.Renderer().Render(&body, source, doc); err != nil {
		return nil, err
	}
	c.body = scrollable.Replace(body.String())
	return c, nil
}

// scrollable lets wide tables and long lines of code scroll by themselves, with the keyboard,
// too. Neither tag can come from text, because the renderer escapes < there.
var scrollable = strings.NewReplacer(
	"<table>", `<div class="wide" tabindex="0"><table>`, "</table>", "</table></div>",
	"<pre>", `<pre tabindex="0">`,
)

// visit collects headings and texts, and rewrites links to other chapters.
func (c *chapter) visit(n ast.Node, entering bool, source []byte) error {
	if !entering {
		switch n.(type) {
		case *ast.Paragraph, *ast.TextBlock, *ast.Heading, *extast.TableCell:
			c.add(" ")
		}
		return nil
	}
	switch n := n.(type) {
	case *ast.Heading:
		return c.begin(n, source)
	case *ast.Link:
		n.Destination = []byte(address(string(n.Destination)))
	case *ast.Text:
		c.add(textOf(n, source))
		if n.SoftLineBreak() || n.HardLineBreak() {
			c.add(" ")
		}
	case *ast.String:
		c.add(string(n.Value))
	case *ast.FencedCodeBlock:
		c.add(string(n.Lines().Value(source)) + " ")
	}
	return nil
}

// begin starts the section of a heading.
func (c *chapter) begin(h *ast.Heading, source []byte) error {
	heading := plain(h, source)
	if (h.Level == 1) != (len(c.sections) == 0) {
		return fmt.Errorf("the heading %q has level %d: a file has one of level 1, in front", heading, h.Level)
	}
	if h.Level == 1 {
		c.title = heading
	}
	id, _ := h.AttributeString("id")
	bytes, _ := id.([]byte)
	c.sections = append(c.sections, section{level: h.Level, id: string(bytes), heading: heading})
	return nil
}

// add appends to the text of the current section.
func (c *chapter) add(text string) {
	if len(c.sections) > 0 {
		c.sections[len(c.sections)-1].text.WriteString(text)
	}
}

// plain returns the text below n without markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.WriteString(textOf(t, source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// textOf returns a text as the reader sees it: without backslashes and entities.
func textOf(n *ast.Text, source []byte) string {
	text := n.Value(source)
	if _, code := n.Parent().(*ast.CodeSpan); !code {
		text = util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(text)))
	}
	return string(text)
}

// address returns the address of a link in a page: links between files name the file, so that
// they also work where the repository is shown, and pages have addresses without .md.
func address(to string) string {
	file, fragment, _ := strings.Cut(to, "#")
	name, ok := strings.CutSuffix(file, ".md")
	if !ok || strings.Contains(name, "/") {
		return to
	}
	if name == "index" {
		name = "./"
	}
	if fragment != "" {
		name += "#" + fragment
	}
	return name
}
