package load

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"webim/bench/client"
	"webim/bench/report"
)

// MustOpen dials what is absent; a room that is not full would make the figures meaningless.
func MustOpen(ctx context.Context, l Load, r *report.Report) error {
	failed, err := l.Dial(ctx, 0, l.Size())
	if ctx.Err() != nil {
		r.Interrupted = true
		return fmt.Errorf("interrupted while connecting: %w", ctx.Err())
	}
	if err != nil {
		return err
	}
	if failed > 0 {
		return NotConnected(failed, l)
	}
	NoteTerms(r, l)
	return nil
}

// NotConnected says why clients are not there.
func NotConnected(n int, l Load) error {
	var why []string
	failures := client.HandshakeFailures(l.Failures())
	for _, what := range slices.Sorted(maps.Keys(failures)) {
		why = append(why, fmt.Sprintf("%d × %s%s", failures[what], what, hint(what)))
	}
	return fmt.Errorf("%d of %d clients could not connect: %s", n, l.Size(), strings.Join(why, "; "))
}

// hint says what to do about a failed handshake, if that is known.
func hint(what string) string {
	switch {
	case strings.Contains(what, unix.EADDRNOTAVAIL.Error()):
		return " (each address has some 28,000 ports, and [::1] is a single address: give more --sources, or take 127.0.0.1 in --url)"
	case strings.Contains(what, unix.EMFILE.Error()):
		return " (the limit of open files, ulimit -n, or give more --processes)"
	case strings.Contains(what, "HTTP status 503"), strings.Contains(what, "HTTP status 429"):
		return " (the server is full, or limits the connections of an address: see its --max-conns and --max-conns-per-ip, or their like)"
	}
	return ""
}

// NoteTerms notes what the handshakes agreed on.
func NoteTerms(r *report.Report, l Load) {
	t, ok := l.Agreed()
	if !ok {
		return
	}
	r.Conditions.Subprotocol, r.Conditions.Compressed = t.Protocol, t.Compressed
	if l.Config().Compress && !t.Compressed {
		r.Note("the server did not take permessage-deflate: messages went uncompressed")
	}
}
