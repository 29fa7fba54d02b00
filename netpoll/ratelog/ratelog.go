// Package ratelog writes log lines about things that clients can cause as often as
// they like. Of each subject there is one line in an interval, with the number of those
// that were left out, so that a flood fills neither the log nor the processor's time.
package ratelog

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Every is the least time between two lines of one subject.
const Every = 10 * time.Second

// maxSubjects bounds the subjects that are remembered. Callers name theirs in their
// code; a subject that a client could choose would be a mistake, and is not logged.
const maxSubjects = 1024

// A Logger writes to a slog.Logger. The zero value and nil write nothing. Its methods
// may be called from any goroutine.
type Logger struct {
	to    *slog.Logger
	count atomic.Int64
	lines sync.Map // of *line, by subject
}

// line is what was written about a subject.
type line struct {
	next    atomic.Int64 // when there may be a line again, in nanoseconds since 1970
	omitted atomic.Int64 // since the last one
}

// New makes a Logger; with nil it writes nothing.
func New(to *slog.Logger) *Logger { return &Logger{to: to} }

// Warn writes a line of a subject, with the attributes args as slog has them, unless
// there was one less than Every ago.
func (l *Logger) Warn(subject string, args ...any) { l.log(slog.LevelWarn, subject, args) }

// Error is Warn for faults of the server itself.
func (l *Logger) Error(subject string, args ...any) { l.log(slog.LevelError, subject, args) }

// Info is Warn for what is no trouble for the operator.
func (l *Logger) Info(subject string, args ...any) { l.log(slog.LevelInfo, subject, args) }

func (l *Logger) log(level slog.Level, subject string, args []any) {
	if l == nil || l.to == nil || !l.to.Enabled(context.Background(), level) {
		return
	}
	one := l.line(subject)
	if one == nil {
		return
	}
	now := time.Now().UnixNano()
	next := one.next.Load()
	if now < next || !one.next.CompareAndSwap(next, now+int64(Every)) {
		one.omitted.Add(1)
		return
	}
	l.to.Log(context.Background(), level, subject, append(args[:len(args):len(args)], "not_logged_before", one.omitted.Swap(0))...)
}

func (l *Logger) line(subject string) *line {
	if one, ok := l.lines.Load(subject); ok {
		return one.(*line)
	}
	if l.count.Load() >= maxSubjects {
		return nil
	}
	one, there := l.lines.LoadOrStore(subject, &line{})
	if !there {
		l.count.Add(1)
	}
	return one.(*line)
}
