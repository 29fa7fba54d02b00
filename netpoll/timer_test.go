package netpoll

import (
	"testing"
	"time"
)

// A server that never listened ends its timers, too: nothing else would.
func TestTimersEndWithoutListening(t *testing.T) {
	s := New(Config{}, nil)
	s.Tick(time.Hour, func() {})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Tick(time.Hour, func() {}) // and none begins any more
	if n := s.timers.Len(); n != 0 {
		t.Errorf("%d timers run", n)
	}
}
