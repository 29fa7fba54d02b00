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

// MustOpen connects all absent clients. It fails if one cannot connect, because the figures of a room that is not full
// have no meaning.
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

// NotConnected returns the error for n clients that could not connect, with the reasons.
func NotConnected(n int, l Load) error {
	var why []string
	failures := client.HandshakeFailures(l.Failures())
	for _, what := range slices.Sorted(maps.Keys(failures)) {
		why = append(why, fmt.Sprintf("%d × %s%s", failures[what], what, hint(what)))
	}
	return fmt.Errorf("%d of %d clients could not connect: %s", n, l.Size(), strings.Join(why, "; "))
}

// hint returns advice about a failed handshake, if there is any.
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

// NoteTerms stores the terms of the handshakes in the report.
func NoteTerms(r *report.Report, l Load) {
	t, ok := l.Agreed()
	if !ok {
		return
	}
	r.Conditions.Subprotocol, r.Conditions.Compressed = t.Protocol, t.Compressed
	if l.Config().Compress && !t.Compressed {
		r.Note("the server did not accept permessage-deflate: the messages were not compressed")
	}
}
