// Package ratelog writes log lines about events that clients can cause as often as they like. It
// writes at most one line per subject and interval, with the number of lines that it left out, so
// that a flood fills neither the log nor the CPU.
package ratelog

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Every is the minimum time between two lines of one subject.
const Every = 10 * time.Second

// maxSubjects limits the subjects that a Logger remembers. Callers take subjects from their code,
// not from clients. Once there are maxSubjects, a Logger drops the lines of new subjects, so that a
// mistake cannot fill the memory.
const maxSubjects = 1024

// A Logger writes rate-limited lines to a slog.Logger. The zero value and nil write nothing. It is
// safe for concurrent use.
type Logger struct {
	to    *slog.Logger
	count atomic.Int64
	lines sync.Map // of *line, by subject
}

// line is the state of one subject.
type line struct {
	next    atomic.Int64 // the earliest time of the next line, in nanoseconds since 1970
	omitted atomic.Int64 // lines left out since the last one
}

// New returns a Logger that writes to to, or nothing if to is nil.
func New(to *slog.Logger) *Logger { return &Logger{to: to} }

// Warn writes subject as the message, with the attributes args as in slog. If the last line of the
// subject is less than Every ago, Warn only counts the line. The next line of the subject has the
// count as not_logged_before.
func (l *Logger) Warn(subject string, args ...any) { l.log(slog.LevelWarn, subject, args) }

// Error is Warn at slog.LevelError, for faults of the server itself.
func (l *Logger) Error(subject string, args ...any) { l.log(slog.LevelError, subject, args) }

// Info is Warn at slog.LevelInfo, for events that need no attention.
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
