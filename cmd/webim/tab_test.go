package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"webim/netpoll/wstest"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	// chromium has no windows, not even hidden ones, so a tab costs a fraction of one of the whole browser.
	chromium = "/usr/bin/chromium-headless-shell"

	// screenshots is below bin, which git ignores.
	screenshots = "../../bin/screenshots"
)

// waitTimeout is for one state of a page.
var waitTimeout = wstest.Patience

// browser is the Chromium of all tests. Each tab has cookies and a cache of its own, so
// that they share nothing but the process.
var browser struct {
	once sync.Once
	ctx  context.Context
	stop func() // nil: it was never started
	err  error
}

// startChromium returns the context of the browser. It has a fresh profile, which
// chromedp makes and removes.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Fatalf("the browser tests need Debian's Chromium at %s: run `make test` as root, which installs it, or `apt-get install chromium-headless-shell` yourself", chromium)
	}
	browser.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(chromium),
			chromedp.NoSandbox, // containers forbid the sandbox's namespaces
			chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true),
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("ignore-certificate-errors", true), // webim --dev makes its own
		)
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, kill := chromedp.NewContext(allocator)
		browser.ctx = ctx
		browser.stop = func() {
			polite, cancel := context.WithTimeout(ctx, waitTimeout)
			_ = chromedp.Cancel(polite) // killed at once, it would leave files in /tmp
			cancel()
			kill()
			stop()
		}
		browser.err = chromedp.Do(ctx)
	})
	if browser.err != nil {
		t.Fatalf("starting %s: %v", chromium, browser.err)
	}
	return browser.ctx
}

// A tab is one user: a page in a window, with cookies and cache of its own. It
// fails the test for every error or warning in its console, violations of the
// Content-Security-Policy included.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	outage     *regexp.Regexp // the browser's lines that are expected until up; nil: none
	up         bool
	complaints []string // unexpected console output
}

func openTab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	p := &tab{t: t}
	ctx, closeTab := chromedp.NewContext(browser,
		chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(func() {
		if t.Failed() {
			p.screenshot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		closeTab()
		for _, c := range p.takeComplaints() {
			t.Errorf("the page's console: %s", c)
		}
	})
	if err := chromedp.Do(ctx); err != nil { // without a deadline: it binds the tab's life to ctx
		t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(1000, 700))
	return p
}

// listen gathers complaints. It runs on the goroutine that reads the browser's
// events, in their order.
func (p *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complain("exception", e.ExceptionDetails.Text, fmt.Sprint(e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		args, _ := json.Marshal(e.Args)
		p.complain("console."+string(e.Type), string(args))
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelVerbose && e.Entry.Level != log.EntryLevelInfo {
			p.complain(string(e.Entry.Source), e.Entry.Text, e.Entry.URL)
		}
	}
}

func (p *tab) complain(words ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := strings.Join(words, " ")
	// A server that is up refuses no connection: on a busy machine, the page hears later of one that it refused before.
	if p.outage != nil && p.outage.MatchString(text) && (!p.up || strings.Contains(text, "net::ERR_CONNECTION_REFUSED")) {
		return
	}
	p.complaints = append(p.complaints, text)
}

func (p *tab) takeComplaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.complaints
	p.complaints = nil
	return taken
}

// Lines of the browser about a server, %s, that cannot be reached: of its sockets, and
// of the icon, which it fetches when it pleases.
const (
	unreached = `^\w+ WebSocket connection to 'wss?://%s/|^\w+ Failed to load resource: net::ERR_\w+ https?://%[1]s/`
	// closing: something was sent between the server's Close frame and the event of it.
	closing = unreached + `|^\w+ WebSocket is already in CLOSING or CLOSED state\. https?://%[1]s/`
	// refusing: a server that stops answers newcomers with 503.
	refusing = closing + `|^\w+ Failed to load resource: the server responded with a status of 503 \(.*\) https?://%[1]s/`
)

// expect makes the tab ignore lines about the server at addr that match one of the patterns above, from
// now on.
func (p *tab) expect(pattern, addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outage, p.up = regexp.MustCompile(fmt.Sprintf(pattern, regexp.QuoteMeta(addr))), false
}

// expectUp reverts expect when the server is up again.
func (p *tab) expectUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up = true
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns when the JavaScript condition holds. It looks again at each
// change of the document; chromedp.Poll would need eval, which the policy forbids.
func (p *tab) wait(condition string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`new Promise((done) => {
		const look = () => {
			if (!(`+condition+`)) return;
			changes.disconnect();
			done(true);
		};
		const changes = new MutationObserver(look);
		changes.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
		look();
	})`, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("the page never came to %s: %v\nit shows:\n%s", condition, err, eval[string](p, `document.body.innerText`))
	}
}

// eval returns the value of a JavaScript expression.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// chooseRoom clicks on a room in the list, once it is there.
func (p *tab) chooseRoom(title string) {
	p.t.Helper()
	button := `[...document.querySelectorAll('#room-list button')].find((b) => b.textContent.includes(` + quote(title) + `))`
	p.wait(button + ` !== undefined`)
	eval[bool](p, `(`+button+`.click(), true)`)
}

// beforePage runs the script in each document before the document's own.
func (p *tab) beforePage(script string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument,
		page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	if err != nil {
		p.t.Fatal(err)
	}
}

// enter puts the text into the box at once, as pasting does, and presses Enter.
func (p *tab) enter(box chromedp.CSS, text string) {
	p.t.Helper()
	p.do(chromedp.Focus(box), insert(text), chromedp.KeyEvent(kb.Enter))
}

func insert(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// screenshot saves a picture for developers of the page.
func (p *tab) screenshot(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, waitTimeout)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Logf("no screenshot %s: %v", name, err)
		return
	}
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// quote writes a string as JavaScript does.
func quote(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}
