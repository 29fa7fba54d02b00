package main_test

import (
	"context"
	"encoding/json"
	"os"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// judge fails the test for each violation of WCAG 2.2 AA that axe-core finds in the present page.
func (p *tab) judge(state string) {
	p.t.Helper()
	axe, err := os.ReadFile("testdata/axe-core-4.14.1/axe.min.js")
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.Evaluate[chromedp.Void](string(axe) + `;void 0`))
	found := eval[[]string](p, `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
		.then((r) => r.violations.map((v) => v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.html).join(' | ').slice(0, 400)))`)
	for _, one := range found {
		p.t.Errorf("%s: %s", state, one)
	}
}

// spoken returns the names that a screen reader says for the elements with a role.
func (p *tab) spoken(role string) (names []string) {
	p.t.Helper()
	text := func(v *accessibility.Value) (s string) {
		if v != nil && json.Unmarshal(v.Value, &s) != nil {
			return ""
		}
		return s
	}
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		tree, err := cdp.Call(ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return err
		}
		for _, n := range tree.Nodes {
			if text(n.Role) == role {
				names = append(names, text(n.Name))
			}
		}
		return nil
	}))
	return names
}
