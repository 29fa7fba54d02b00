package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"webim/bench/report"
	"webim/netpoll/wstest"
)

const (
	chromium    = "/usr/bin/chromium-headless-shell"
	screenshots = "../../bin/screenshots" // git ignores bin
)

// viewer is a browser that records errors and requests of a page.
type viewer struct {
	t   *testing.T
	ctx context.Context

	mu    sync.Mutex
	heard []string
}

func newViewer(t *testing.T) *viewer {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Fatalf("this test needs Debian's Chromium at %s: apt-get install chromium-headless-shell", chromium)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	v := &viewer{t: t}
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(v.listen))
	v.ctx = ctx
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // Chromium would leave files in /tmp if it were killed at once
			t.Errorf("closing Chromium: %v", err)
		}
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", chromium, err)
	}
	return v
}

// listen runs on the goroutine that reads the browser's events.
func (v *viewer) listen(event any) {
	var said any
	switch e := event.(type) {
	case *runtime.EventExceptionThrown, *runtime.EventConsoleAPICalled, *log.EventEntryAdded:
		said = e
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; !strings.HasPrefix(url, "file:") && !strings.HasPrefix(url, "data:") {
			said = "loads " + url
		}
	}
	if said != nil {
		text, _ := json.Marshal(said)
		v.mu.Lock()
		v.heard = append(v.heard, string(text))
		v.mu.Unlock()
	}
}

func (v *viewer) do(steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		v.t.Fatal(err)
	}
}

// look opens the page with a device's width, light or dark, takes a screenshot, and checks that the page fits and reports
// no error.
func (v *viewer) look(file, name, scheme string, width int64) {
	v.t.Helper()
	v.do(chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}), chromedp.Navigate("file://"+file))
	type view struct {
		Wide, Charts, Bad int
		Back              string
	}
	ctx, cancel := context.WithTimeout(v.ctx, time.Minute)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[view](`({Wide: document.documentElement.scrollWidth, Charts: document.querySelectorAll("svg path.line, svg rect").length,
		Bad: [...document.querySelectorAll("svg path, svg rect, svg text")].filter((e) => /NaN|Inf/.test(e.outerHTML)).length, Back: getComputedStyle(document.body).backgroundColor})`))
	if err != nil {
		v.t.Fatal(err)
	}
	cut, err := chromedp.Run(ctx, chromedp.Evaluate[int](`[...document.querySelectorAll(".stage .wide")].filter((e) => e.scrollWidth > e.clientWidth).length`))
	if err != nil {
		v.t.Fatal(err)
	}
	if width >= 1100 && cut > 0 {
		v.t.Errorf("%s at %d: %d tables are cut off", name, width, cut)
	}
	if light := got.Back == "rgb(255, 255, 255)"; got.Wide > int(width) || got.Charts == 0 || got.Bad != 0 || light != (scheme == "light") {
		v.t.Errorf("%s at %d, %s: %+v", name, width, scheme, got)
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		v.t.Fatal(err)
	}
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(screenshots, name+"-"+scheme+".png"), png, 0o644); err != nil {
		v.t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.heard) > 0 {
		v.t.Errorf("%s: %s", name, strings.Join(v.heard, "\n"))
	}
}

// The page of a run of the whole program, on a phone and on a desktop.
func TestPageOpens(t *testing.T) {
	t.Parallel()
	_, bench := buildPrograms(t)
	at, dir := wstest.FreeAddr(t).String(), t.TempDir()
	args := func(scenario, flags string) []string {
		return append(strings.Fields(scenario+" --url ws://"+at+"/ --html "+filepath.Join(dir, scenario+".html")+" "+flags),
			"--cmd", bench+" floor --listen "+at)
	}
	for _, words := range [][]string{
		args("flood", "--clients 20 --senders 2 --rate 100,300 --seconds 1 --label <b>&quot;mine&quot;"),
		args("churn", "--clients 20 --senders 2 --rate 100 --comers 20 --stay 100ms --seconds 1"),
		args("fanout", "--clients 20 --rounds 6"),
	} {
		if out, code := runProgram(t, bench, words...); code != 0 && code != exitLimited {
			t.Fatalf("%s: exit %d: %s", words[0], code, out)
		}
	}
	// The floor is in webim's place. The peer cannot run here.
	webim := filepath.Join(dir, "webim")
	if err := os.WriteFile(webim, []byte("#!/bin/sh\nexec "+bench+" floor --listen 127.0.0.1:0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, code := runProgram(t, bench, "suite", "--quick", "--peers", "swoole", "--repeat", "1", "--settle", "1ms", "--webim", webim, "--out", filepath.Join(dir, "out"),
		"--json", filepath.Join(dir, "suite.json"), "--html", filepath.Join(dir, "suite.html"))
	if code != 0 || !strings.Contains(out, "×webim") || !strings.Contains(out, "the report: "+dir) {
		t.Fatalf("suite: exit %d: %s", code, out)
	}
	if runs, err := report.ReadReports(filepath.Join(dir, "suite.json")); err != nil || len(runs) != 2 {
		t.Errorf("%d runs: %v", len(runs), err)
	}
	if page, err := os.ReadFile(filepath.Join(dir, "suite.html")); err != nil || !strings.Contains(string(page), "1,000 clients in one room") || !strings.Contains(string(page), "less is better") {
		t.Errorf("the page does not say what was measured: %v", err)
	}
	v := newViewer(t)
	for _, name := range []string{"flood", "churn", "fanout", "suite"} {
		v.look(filepath.Join(dir, name+".html"), "bench-"+name, "light", 1100)
		v.look(filepath.Join(dir, name+".html"), "bench-"+name, "dark", 390)
	}
}
