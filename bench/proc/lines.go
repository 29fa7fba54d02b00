package proc

import (
	"bytes"
	"net/url"
)

// Lines is a writer that cuts the output of a process into lines, and calls Each with each whole one, without its end.
// A line is valid only during the call. One goroutine at a time may write.
type Lines struct {
	Each func(line []byte)
	rest []byte
}

func (l *Lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte{'\n'})
		if !ok {
			return len(b), nil
		}
		l.Each(line)
		l.rest = rest
	}
}

// HostOf returns the host and the port of a URL; "" if it has none.
func HostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}
