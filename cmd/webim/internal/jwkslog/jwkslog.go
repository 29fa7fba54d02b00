package jwkslog

import (
	"log/slog"
	"sync"
	"time"
)

// A Log logs the results of fetching the JWKS: a failure at once, the same failure again
// every repeat, and the first success after failures. Its methods may be called from any
// goroutine.
type Log struct {
	mu    sync.Mutex
	log   *slog.Logger // nil until Start: nothing is logged
	why   error        // the error of the last fetch; nil if it succeeded
	at    time.Time    // the time of the last log line about a failure
	since time.Time    // the time of the first failure in a row
}

// repeat is the time after which the same failure is logged again.
const repeat = 10 * time.Minute

// Start sets the logger. Earlier results are not logged.
func (l *Log) Start(log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = log
}

// Failed is token.Config.Report.
func (l *Log) Failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	same := l.why != nil && l.why.Error() == err.Error() && now.Sub(l.at) < repeat
	if l.why == nil {
		l.since = now
	}
	l.why = err
	if same || l.log == nil {
		return
	}
	l.at = now
	l.log.Warn("the keys of tokens (JWKS) cannot be fetched: the known keys stay in use, and tokens with other keys are refused until a fetch succeeds", "err", err, "see", "token_jwks")
}

// Recovered is token.Config.Recovered.
func (l *Log) Recovered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil && l.log != nil {
		l.log.Info("the keys of tokens (JWKS) are fetched again", "failed_for", time.Since(l.since).Round(time.Second))
	}
	l.why = nil
}

// Last returns the error of the last fetch; nil if it succeeded.
func (l *Log) Last() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}
