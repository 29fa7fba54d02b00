package wstest

import (
	"encoding/json"
	"strings"
	"sync"
)

// Log keeps the text that goroutines write to it, for example the lines of a logger, until
// a test reads it. The zero value is empty. All methods are safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends p.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns the whole text.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Take returns the whole text and empties the log.
func (l *Log) Take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.text.Reset()
	return l.text.String()
}

// Lines returns the lines of the text without their ends; none if the log is empty.
func (l *Log) Lines() (all []string) {
	for line := range strings.Lines(l.String()) {
		all = append(all, strings.TrimSuffix(line, "\n"))
	}
	return all
}

// Records returns the lines that are JSON of a logger with a message, which has no characters that JSON escapes. A test asks
// a thousand times a second while it waits, so Records decodes only lines that have the message.
func (l *Log) Records(msg string) (all []map[string]any) {
	if quoted, _ := json.Marshal(msg); len(quoted) != len(msg)+len(`""`) {
		panic("JSON escapes " + msg)
	}
	for text := range strings.Lines(l.String()) {
		var record map[string]any
		if strings.Contains(text, msg) && json.Unmarshal([]byte(text), &record) == nil && record["msg"] == msg {
			all = append(all, record)
		}
	}
	return all
}
