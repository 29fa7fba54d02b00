package main

import (
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows progress on standard error, if that is a terminal.
type bar struct {
	on   bool
	what string
	bar  *progressbar.ProgressBar
}

func newBar() *bar { return &bar{on: term.IsTerminal(int(os.Stderr.Fd()))} }

// show implements client.Config.Progress. Each step has its own bar, which the next step
// replaces.
func (b *bar) show(what string, done, total int) {
	if !b.on || total <= 0 {
		return
	}
	if b.bar == nil || what != b.what || b.bar.GetMax() != total {
		b.end()
		b.what = what
		b.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(), progressbar.OptionSetWidth(30))
	}
	_ = b.bar.Set(min(done, total)) // if the terminal fails, go on measuring
}

// end removes the bar.
func (b *bar) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}
