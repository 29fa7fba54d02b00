//go:build chaos

package clock

import (
	"os"
	"strings"
	"sync"
	"time"
)

// variable names a file with a duration, by which the clock of the store is ahead of the machine's. Only a webim that
// was built for webim-bench chaos reads it.
const variable = "CHAOS_CLOCK"

// every is how often the file is read.
const every = 100 * time.Millisecond

// Now returns a clock that can be moved while the program runs. Its times have no monotonic part, so a difference of two
// times has the move in it: that is worse than a step of the machine's clock, which time.Time.Sub does not see.
func Now() func() time.Time {
	name := os.Getenv(variable)
	if name == "" {
		return nil
	}
	var mu sync.Mutex
	var read time.Time
	var offset time.Duration
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if now.Sub(read) >= every {
			if text, err := os.ReadFile(name); err == nil {
				if d, err := time.ParseDuration(strings.TrimSpace(string(text))); err == nil {
					offset = d
				}
			}
			read = now
		}
		return now.Add(offset).Round(0)
	}
}
