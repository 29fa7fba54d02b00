package main_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// hostile has texts that the page must show as texts.
var hostile = []string{
	`<script>document.title='owned'</script>`,
	`<img src=x onerror="document.title='owned'">`,
	`"><svg/onload=document.title='owned'>`,
	`javascript:document.title='owned'`,
	`[x](javascript:document.title='owned')`,
	`http://a" onmouseover="document.title='owned'`,
	`https://user:pass@example.com/`,
	`&lt;b&gt;&#x3c;`,
	"a\u202ebc\u2066d",
	"{{constructor.constructor('document.title=`owned`')()}}",
	strings.Repeat("W", 4096),
	strings.Repeat("خ", 300) + "abc",
	"Z̷̢̛̰a̸̧l̵g̶o̴" + strings.Repeat("\u0301", 60),
	"👨‍👩‍👧🏴󠁧󠁢󠁳󠁣󠁴󠁿",
	"__proto__", "constructor", "toString",
}

func testHostileTexts(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	ann := come(t, browser, server.url, `<b>Ann</b>"'`)
	bob := come(t, browser, server.url, "Bob")
	for _, s := range hostile {
		ann.enter(text, s)
		bob.shows(s)
	}
	bob.choose(hostile[1], "Reply")
	bob.enter(text, "quoting")
	ann.shows("quoting")
	for _, s := range []string{`<img src=x onerror=alert(1)>`, `#` + strings.Repeat("x", 40), `__proto__`} {
		bob.do(chromedp.Click(chromedp.CSS("#add")))
		bob.pick("Join a room by name")
		bob.confirm(map[string]string{"room": s})
		bob.wait(`document.querySelector('#heading').textContent === ` + quote(s) + ` || document.querySelector('#banner').textContent !== '' || document.querySelector('.toast') !== null`)
	}
	links := eval[string](ann, `import('./links.js').then(({ linked }) => ['(https://a.example/b_(c)).', '见https://例子.测试/路?q#f。好', 'HTTP://A.example!', '"https://a.example"', 'javascript:x ftp://a.example data:,x https://u@a.example', 'https://[::1]:8/x]']
		.map((s) => linked(s).map((n) => n.href ? '<' + n.href + '>' : n).join('')).join(' | '))`)
	if want := `(<https://a.example/b_(c)>). | 见<https://xn--fsqu00a.xn--0zwm56d/%E8%B7%AF?q#f>。好 | <http://a.example/>! | "<https://a.example/>" | javascript:x ftp://a.example data:,x https://u@a.example | <https://[::1]:8/x>]`; links != want {
		t.Errorf("the links are\n%s, want\n%s", links, want)
	}
	for _, p := range []*tab{ann, bob} {
		if eval[bool](p, `document.title.includes('owned') || document.querySelector('#log :not(article, p, span, bdi, div, time, button, svg, use, a, blockquote), nav b, nav img:not([src="favicon.svg"])') !== null`) {
			t.Error("a text became markup")
		}
		if links := eval[string](p, `[...document.querySelectorAll('#log a')].map((a) => a.protocol).filter((one) => !['http:', 'https:'].includes(one)).join()`); links != "" {
			t.Errorf("links to %s", links)
		}
		if wide := eval[bool](p, `document.documentElement.scrollWidth > innerWidth || document.querySelector('#log').scrollWidth > document.querySelector('#log').clientWidth`); wide {
			t.Error("a long word breaks the layout")
		}
	}
	ann.screenshot("chat-6-hostile")
}

func testTenThousandMessages(t *testing.T, browser context.Context, program string) {
	server := launch(t, program, nil, "--dev", "--listen", "127.0.0.1:0", "--history-messages", "10000", "--history-bytes", "4MiB", "--api", "--api-key", "a key of the tests")
	const count = 10_000
	for from := 0; from < count; from += 500 {
		var b strings.Builder
		b.WriteString(`{"commands":[`)
		for i := from; i < from+500; i++ {
			if i > from {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"publish":{"channel":"lobby","data":{"text":"message %d"}}}`, i)
		}
		b.WriteString(`]}`)
		callAPI(t, server, "batch", b.String())
	}
	p := come(t, browser, "http://"+server.addrs[0]+"/", "Ann")
	p.shows(fmt.Sprint("message ", count-1))
	nodes := func() int { return eval[int](p, `document.querySelectorAll('#log .message').length`) }
	// While the page loads older messages, the visible message stays in its position. The focus
	// stays in the log, although the page has removed the message that had it.
	eval[bool](p, `([...document.querySelectorAll('#log .message')].at(-1).focus({ preventScroll: true }), true)`)
	for page := range 8 {
		first := eval[string](p, bodies+`[0]`)
		moved := eval[float64](p, `new Promise((done) => {
			const log = document.querySelector('#log');
			const node = log.querySelector('.message');
			log.scrollTop = 0;
			const before = node.getBoundingClientRect().top;
			const changes = new MutationObserver(() => {
				if (log.querySelector('.message').dataset.offset === node.dataset.offset) return;
				changes.disconnect();
				requestAnimationFrame(() => done(Math.abs(log.querySelector('[data-offset="' + node.dataset.offset + '"]').getBoundingClientRect().top - before)));
			});
			changes.observe(log, { childList: true });
			log.dispatchEvent(new Event('scroll'));
		})`)
		if moved > 2 {
			t.Errorf("page %d: the message jumped by %v pixels", page, moved)
		}
		p.wait(bodies + `[0] !== ` + quote(first))
		if n := nodes(); n > 200 {
			t.Fatalf("%d message nodes", n)
		}
	}
	if focus := eval[string](p, `document.activeElement.id`); focus != "log" {
		t.Errorf("the focus is on %q", focus)
	}
	all := eval[[]string](p, bodies)
	for i, s := range all {
		if s != fmt.Sprint("message ", atoi(t, all[0])+i) {
			t.Fatalf("message %d of the page is %q behind %q", i, s, all[0])
		}
	}
	p.wait(`!document.querySelector('#newest').hidden`)
	p.screenshot("chat-8-history")
	p.do(chromedp.Click(chromedp.CSS("#newest")))
	p.shows(fmt.Sprint("message ", count-1))
	p.enter(text, "at the end")
	p.shows("at the end")
	// After a reply to an old message, the log is at its end again. The reply quotes the old
	// message for all users, whether their page has loaded it or not.
	for range 6 {
		first := eval[string](p, bodies+`[0]`)
		// The event is sent at once, because a message before it would scroll back to the end.
		eval[bool](p, `(document.querySelector('#log').scrollTop = 0, document.querySelector('#log').dispatchEvent(new Event('scroll')), true)`)
		p.wait(bodies + `[0] !== ` + quote(first))
	}
	old := eval[string](p, bodies+`[0]`)
	p.choose(old, "Reply")
	p.enter(text, "an answer")
	q := come(t, browser, "http://"+server.addrs[0]+"/", "Bob")
	for _, p := range []*tab{p, q} {
		p.shows("an answer")
		p.wait(`document.querySelector('#log .quote')?.textContent.endsWith(` + quote(": "+old) + `)`)
	}
	if n := nodes(); n > 200 {
		t.Errorf("%d message nodes", n)
	}
}

func atoi(t *testing.T, s string) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "message %d", &n); err != nil {
		t.Fatal(s, err)
	}
	return n
}
