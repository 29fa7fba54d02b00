package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"webim/cmd/internal/manual"
	"webim/room/token"
)

// TestManualInBrowser reads the manual in a real Chromium, and runs its examples for browsers.
func TestManualInBrowser(t *testing.T) {
	t.Parallel()
	browser := startChromium(t)
	program := buildForPages(t)
	server := startWebim(t, program, "127.0.0.1:0", "--token-secret", exampleSecret)
	t.Run("Pages", func(t *testing.T) { testManualPages(t, browser, server.url+"docs/") })
	t.Run("Search", func(t *testing.T) { testManualSearch(t, browser, server.url+"docs/") })
	for _, b := range manual.Blocks(t, "../..", "js", "html") {
		if strings.Contains(b.Text, "from 'node:") {
			continue // run by Node: see exampleprograms_test.go
		}
		t.Run(b.Place, func(t *testing.T) { testExamplePage(t, browser, server.host, b) })
	}
}

const exampleSecret = "a secret of thirty-two bytes or more"

// testManualPages looks at pages on a phone and on a desktop, in light and dark.
func testManualPages(t *testing.T, browser context.Context, url string) {
	p := openTab(t, browser)
	for _, page := range []string{"", "configuration", "rooms"} {
		p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url+page))
		p.wait(`document.querySelector('#search').checkVisibility()`)
		if got := eval[int](p, `document.querySelectorAll('#contents [aria-current]').length`); got != 1 {
			t.Errorf("/docs/%s: %d entries of the contents are the current one", page, got)
		}
		for _, screen := range []string{"desktop", "phone"} {
			if screen == "phone" {
				phone(p)
			}
			if !eval[bool](p, `document.documentElement.scrollWidth <= innerWidth`) {
				t.Errorf("%s: /docs/%s is wider than the window", screen, page)
			}
			p.screenshot(fmt.Sprintf("docs-%s-%s", page, screen))
		}
	}
	p.judge("/docs/rooms, phone, light")
	dark(p)
	p.screenshot("docs-rooms-phone-dark")
	p.judge("/docs/rooms, phone, dark")
	p.do(chromedp.Click(chromedp.CSS(".to-contents")))
	p.wait(`document.querySelector('#contents').getBoundingClientRect().top < innerHeight`)
}

// testManualSearch finds a setting, a close code, and nothing.
func testManualSearch(t *testing.T, browser context.Context, url string) {
	p := openTab(t, browser)
	p.do(chromedp.Navigate(url + "tokens"))
	p.wait(`document.querySelector('#search').checkVisibility()`)
	const first = `document.querySelector('#results li a')?.href`
	for query, want := range map[string]string{
		"max-conns-per-user": url + "configuration#max-conns-per-user",
		"3509 too many":      url + "troubleshooting#close-codes",
		"swoole methods":     url + "netpoll#methods",
	} {
		p.do(chromedp.Focus(chromedp.CSS("#query")))
		eval[bool](p, `(document.querySelector('#query').value = '', true)`)
		p.do(insert(query))
		p.wait(first + ` === ` + quote(want))
	}
	eval[bool](p, `(document.querySelector('#query').value = '', true)`)
	p.do(insert("<b>xyzzy"))
	p.wait(`document.querySelector('#count').textContent.startsWith('Nothing is found')`)
	eval[bool](p, `(document.querySelector('#query').value = '', true)`)
	p.do(insert("subscription tokens"))
	p.wait(first + ` === ` + quote(url+"tokens#subscription-tokens"))
	p.screenshot("docs-search")
	p.judge("search results")
	p.do(chromedp.Click(chromedp.CSS("#results li a")))
	p.wait(`location.href === ` + quote(url+"tokens#subscription-tokens") + ` && document.querySelector('#results').hidden`)
}

// testExamplePage runs a block in a page of an application. A block that uses the variables of
// the SDK gets them. The block has to show that it works: it logs a message or shows it.
func testExamplePage(t *testing.T, browser context.Context, host string, b manual.Block) {
	text := strings.ReplaceAll(b.Text, "127.0.0.1:9501", host)
	signer, err := token.NewSigner(token.Key{Secret: []byte(exampleSecret)})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(token.Claims{User: "anna"})
	if err != nil {
		t.Fatal(err)
	}
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/centrifuge.js":
			http.ServeFileFS(w, r, os.DirFS("../../web/static/vendor/centrifuge-5.8.0"), "centrifuge.js")
			return
		case b.Lang == "js":
			before := ""
			if !strings.Contains(text, "new Centrifuge") {
				before = "const centrifuge = new Centrifuge(" + quote("ws://"+host+"/connection/websocket") + ", { token });\ncentrifuge.connect();\n"
			}
			text = `<script src="centrifuge.js"></script><script type="module">const token = ` + quote(signed) + ";\n" + before + text + `</script>`
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><body data-said="">
			<script>
			console.log = (...words) => { document.body.dataset.said += JSON.stringify(words); };
			const Socket = WebSocket;
			WebSocket = class extends Socket {
				constructor(...args) { super(...args); this.addEventListener('open', () => { document.body.dataset.open = 'yes'; }); }
			};
			</script>%s`, text)
	}))
	t.Cleanup(pages.Close)
	p := openTab(t, browser)
	p.do(chromedp.Navigate(pages.URL))
	p.wait(`document.body.dataset.open === 'yes'`)
	switch {
	case strings.Contains(text, "console.log(data.offset)"):
		p.wait(`/^\[\d+\]$/.test(document.body.dataset.said)`)
	case strings.Contains(text, "ctx.data.text"):
		p.wait(`document.body.dataset.said.includes('["anna","hello"]')`)
	case strings.Contains(text, "room.messages"):
		p.wait(`document.body.dataset.said.includes('hello')`)
	case strings.Contains(text, "document.body.append"):
		p.wait(`document.body.innerText.includes('hello')`)
	}
}
