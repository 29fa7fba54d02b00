package why

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"webim/room/flight"
)

// Print prints an answer of operator.WhyPath: a table with a line for each connection, and below it, for each of them, the
// details.
func Print(w io.Writer, answer []byte) error {
	var f flight.Found
	if err := json.Unmarshal(answer, &f); err != nil {
		return fmt.Errorf("the answer is not one of webim why: %w", err)
	}
	if len(f.Ended) == 0 {
		fmt.Fprintf(w, "No connection of %s that has ended is remembered.\n", safe(f.Who))
	} else {
		table(w, f.Ended)
	}
	for i, r := range f.Ended {
		details(w, i+1, &r)
	}
	if f.Missing {
		fmt.Fprintln(w, "Not all nodes have answered.")
	}
	return nil
}

// table prints a line for each connection.
func table(w io.Writer, all []flight.Record) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tENDED\tUSER\tADDRESS\tLASTED\tBY\tCAUSE\tCODE\tREASON")
	for i, r := range all {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", i+1, at(r.Closed).Format(time.DateTime), cmp.Or(safe(r.User), "-"), safe(r.Address),
			since(r.Opened, r.Closed), r.By, r.Cause, r.Code, cmp.Or(safe(r.Reason), "-"))
	}
	_ = t.Flush() // an error of w comes again
}

// details prints the events of a connection.
func details(w io.Writer, n int, r *flight.Record) {
	fmt.Fprintf(w, "\n%d. ", n)
	if r.Dialect == "" {
		fmt.Fprintf(w, "It was never open, node %s.\n", safe(r.Node))
		return
	}
	fmt.Fprintf(w, "connection %s, %s, TLS %v, node %s\n", safe(r.Client), safe(r.Dialect), r.TLS, safe(r.Node))
	fmt.Fprintf(w, "   rooms: %s\n", rooms(r))
	fmt.Fprintf(w, "   from the client: %d messages, %d bytes, the last %s before the end\n", r.MessagesIn, r.BytesIn, since(r.LastReceive, r.Closed))
	fmt.Fprintf(w, "   to the client: %d messages, %d bytes, the last %s before the end\n", r.MessagesOut, r.BytesOut, since(r.LastSend, r.Closed))
	trip := "not known"
	if r.RoundTrip > 0 {
		trip = strconv.FormatFloat(r.RoundTrip, 'f', -1, 64) + " ms"
	}
	fmt.Fprintf(w, "   longest queue: %d bytes; round trip of the last ping: %s\n", r.HighWater, trip)
	for _, e := range r.Events {
		fmt.Fprintf(w, "   %s before the end: %s\n", since(e.At, r.Closed), event(e))
	}
}

func rooms(r *flight.Record) string {
	if r.InRooms == 0 {
		return "none"
	}
	text := safe(strings.Join(r.Rooms, ", "))
	if more := r.InRooms - len(r.Rooms); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// event describes an event.
func event(e flight.Event) string {
	switch e.Kind {
	case "message":
		return fmt.Sprintf("%d messages from the client, %d bytes", e.Count, e.Bytes)
	case "full":
		return fmt.Sprintf("its socket took no more, %d bytes waited", e.Bytes)
	case "rest":
		return "it was not read for a while, because of the cost of its input"
	case "refusal":
		return fmt.Sprintf("refused %d times: %s", e.Count, safe(e.What))
	}
	return safe(e.Kind)
}

func at(millis int64) time.Time { return time.UnixMilli(millis) }

func since(from, to int64) time.Duration {
	return max(0, at(to).Sub(at(from))).Round(100 * time.Millisecond)
}

// safe replaces characters that could change what a terminal shows.
func safe(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
