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

// show is a bench.Config's Progress. Each new step gets a bar of its own, which goes when the next comes.
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
	_ = b.bar.Set(min(done, total)) // a terminal that does not take it is no reason to stop measuring
}

// end removes the bar.
func (b *bar) end() {
	if b.bar != nil {
		_ = b.bar.Clear()
		b.bar = nil
	}
}
