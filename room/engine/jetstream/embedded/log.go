package embedded

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"webim/netpoll/ratelog"
)

// serverLog is the logger of nats-server. It writes warnings and errors, at most one a time span for each
// format, and it notices from them that the store has failed: nats-server has no other sign for that.
type serverLog struct {
	to     *ratelog.Logger
	failed chan struct{}          // has space for one: the store has failed since reset
	fatal  atomic.Pointer[string] // the line that says why nats-server cannot start
	why    atomic.Pointer[string] // the line that says why the store has failed
}

func newServerLog(to *slog.Logger) *serverLog {
	return &serverLog{to: ratelog.New(to), failed: make(chan struct{}, 1)}
}

// failures are parts of the lines that nats-server writes when it stops writing to a store.
var failures = []string{"ritical write error", "JetStream out of ", "disabling JetStream"}

// reset forgets the lines of an earlier nats-server.
func (l *serverLog) reset() {
	l.fatal.Store(nil)
	l.why.Store(nil)
	select {
	case <-l.failed:
	default:
	}
}

// notice looks for a failure of the store.
func (l *serverLog) notice(text string) {
	for _, part := range failures {
		if strings.Contains(text, part) {
			l.why.CompareAndSwap(nil, &text)
			select {
			case l.failed <- struct{}{}:
			default:
			}
		}
	}
}

// Noticef drops the lines of normal operation.
func (l *serverLog) Noticef(string, ...any) {}

// Debugf and Tracef are not called: both are switched off.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef: see Debugf.
func (l *serverLog) Tracef(string, ...any) {}

// Warnf logs a warning.
func (l *serverLog) Warnf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.to.Warn("nats: "+format, "text", text)
	l.notice(text)
}

// Errorf logs an error.
func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.to.Error("nats: "+format, "text", text)
	l.notice(text)
}

// Fatalf logs an error with which nats-server cannot start. It does not end the process: startNATS returns the
// error.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.fatal.CompareAndSwap(nil, &text)
	l.to.Error("nats: "+format, "text", text)
}
