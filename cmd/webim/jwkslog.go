package main

import (
	"log/slog"
	"sync"
	"time"
)

// A jwksLog is told what becomes of the JWKS, and logs it: a failure at once, the same
// one again each repeatJWKS, and that it is over. Its methods may be called from any
// goroutine.
type jwksLog struct {
	mu    sync.Mutex
	log   *slog.Logger // nil: nobody to tell
	why   error        // the last failure; nil if the last fetch brought keys
	at    time.Time    // of the last line about it
	since time.Time    // of the first failure in a row
}

// repeatJWKS is how often the log says that the JWKS still cannot be fetched.
const repeatJWKS = 10 * time.Minute

// tell sets where the lines go.
func (l *jwksLog) tell(log *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log = log
}

// failed is token.Config.Report.
func (l *jwksLog) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	same := l.why != nil && l.why.Error() == err.Error() && now.Sub(l.at) < repeatJWKS
	if l.why == nil {
		l.since = now
	}
	l.why = err
	if same || l.log == nil {
		return
	}
	l.at = now
	l.log.Warn("the keys of tokens cannot be fetched: those that are known stay good, and tokens of others are refused for a while", "err", err, "see", "token_jwks")
}

// recovered is token.Config.Recovered.
func (l *jwksLog) recovered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why != nil && l.log != nil {
		l.log.Info("the keys of tokens are fetched again", "failed_for", time.Since(l.since).Round(time.Second).String())
	}
	l.why = nil
}

// last is why the last fetch failed; nil: it did not.
func (l *jwksLog) last() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}
