package main_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// testOriginalPage opens the page of the original chat as its user does, as a
// local file, and talks with our own page in the lobby.
func testOriginalPage(t *testing.T, browser context.Context, program string) {
	server := startWebim(t, program, "127.0.0.1:0")
	original, ours := openTab(t, browser), openChat(t, browser, server.url)
	original.do(chromedp.Navigate("file://" + copyOriginal(t, server.host)))
	original.wait(printed("Connected"))

	original.do(chromedp.SendKeys(chromedp.CSS("#message"), "from the original"+kb.Enter))
	original.wait(printed("new message:from the original"))
	ours.wait(top("from the original"))
	original.do(chromedp.SendKeys(chromedp.CSS("#message"), "x"), chromedp.Click(chromedp.CSS("#send")))
	original.wait(printed("new message:x"))
	ours.wait(top("x"))

	kilobyte := strings.Repeat("0123456789abcdef", 64)
	original.enter("#message", kilobyte)
	original.wait(printed("new message:" + kilobyte))
	ours.wait(top(kilobyte))

	ours.enter(box, `<b>from ours</b> & more`)
	ours.wait(top(`<b>from ours</b> & more`))
	original.wait(printed(`new message:<b>from ours</b> & more`))
	original.screenshot("10-original")

	original.expect(unreached, server.host)
	ours.expect(unreached, server.host)
	server.kill()
	original.wait(printed("Disconnected"))
}

// printed is true when the newest line of the original page is this.
func printed(line string) string {
	return `document.querySelector('#messages').firstElementChild?.textContent === ` + quote(line)
}

// copyOriginal copies the page and its jQuery into a folder. It changes only the port, because another
// program may use port 9501 of the machine.
func copyOriginal(t *testing.T, host string) (path string) {
	t.Helper()
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"original.html", "jquery-3.7.1.min.js"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if name == "original.html" {
			text = strings.Replace(text, "ws://127.0.0.1:9501", "ws://127.0.0.1:"+port, 1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "original.html")
}
