package config

import (
	"strings"
	"testing"
	"time"
)

// TestDurationInLog checks the forms of durations that the manual describes.
func TestDurationInLog(t *testing.T) {
	for format, want := range map[string]string{"text": "took=1.5s", "json": `"took":1500000000`} {
		var out strings.Builder
		log, _ := (&Config{Settings: Settings{LogFormat: format, LogLevel: "info"}}).NewLogger(&out)
		log.Info("a line", "took", 1500*time.Millisecond)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}
