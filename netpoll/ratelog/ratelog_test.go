package ratelog

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestOneLineInAnInterval checks that each subject gets one line per interval, and that the lines
// left out are counted.
func TestOneLineInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		lines := func() string {
			text := out.String()
			out.Reset()
			return text
		}
		for range 1000 {
			l.Warn("a", "n", 1)
		}
		l.Info("b")
		if got := lines(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "level=WARN msg=a n=1 not_logged_before=0") {
			t.Errorf("first interval: got %s", got)
		}
		time.Sleep(Every)
		l.Warn("a")
		l.Warn("a")
		if got := lines(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "not_logged_before=999") {
			t.Errorf("second interval: got %s", got)
		}
		for i := range 2 * maxSubjects {
			l.Warn(fmt.Sprint("subject ", i))
		}
		if got := strings.Count(lines(), "\n"); got > maxSubjects {
			t.Errorf("%d subjects were logged, want at most %d", got, maxSubjects)
		}
	})
}

func TestNobodyToTell(t *testing.T) {
	for _, l := range []*Logger{nil, {}, New(nil)} {
		l.Warn("a")
	}
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError})))
	l.Warn("a")
	if out.Len() > 0 {
		t.Errorf("a line below the handler's level: %s", out.String())
	}
}

func TestFromManyGoroutines(t *testing.T) {
	var out bytes.Buffer
	l := New(slog.New(slog.NewTextHandler(&out, nil)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				l.Warn("a", "x", 1)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
}
