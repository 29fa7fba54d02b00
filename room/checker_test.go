package room_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// The sequence: message n is a text of a size that n tells, so that a
// receiver can judge each by itself.

// sizes of messages; which one is told by n. Some are compressed.
type sizes []int

var (
	small = sizes{0, 20, 128, 90, 300, 60}
	mixed = sizes{0, 100, 128, 1000, 20, 128, 4000, 125, 126, 70_000, 50, 60} // one is larger than MaxCut
)

func (s sizes) message(n int) string {
	head := fmt.Sprintf("%d ", n)
	return head + strings.Repeat(string(rune('a'+n%26)), max(0, s[n%len(s)]-len(head)))
}

// run is what one member has got: a contiguous run of the sequence, or an error.
type run struct {
	sizes
	first, last int // 0: nothing yet
}

// take judges one more message.
func (r *run) take(op ws.OpCode, payload []byte) error {
	var n int
	if _, err := fmt.Sscanf(string(payload[:min(len(payload), 12)]), "%d ", &n); err != nil || op != ws.OpText || n <= 0 {
		return fmt.Errorf("got %x %.20q", op, payload)
	}
	if want := r.message(n); string(payload) != want {
		return fmt.Errorf("message %d is damaged: %d bytes, %.20q; want %d, %.20q", n, len(payload), payload, len(want), want)
	}
	switch {
	case r.last == 0:
		r.first = n
	case n == r.last:
		return fmt.Errorf("message %d came twice", n)
	case n < r.last:
		return fmt.Errorf("message %d came behind %d", n, r.last)
	case n > r.last+1:
		return fmt.Errorf("messages %d to %d did not come before %d", r.last+1, n-1, n)
	}
	r.last = n
	return nil
}

// spans says whether the run begins and ends where it must.
func (r *run) spans(first, last int) error {
	if r.first != first || r.last != last {
		return fmt.Errorf("got messages %d to %d, want %d to %d", r.first, r.last, first, last)
	}
	return nil
}

var errLeft = errors.New("closed by the server")

// follow reads up to a message.
func (r *run) follow(c *client, last int) error {
	for r.last < last {
		op, payload, err := c.read()
		if err != nil {
			return fmt.Errorf("behind message %d: %w", r.last, err)
		}
		if op == ws.OpClose {
			return errLeft
		}
		if err := r.take(op, payload); err != nil {
			return err
		}
	}
	return nil
}

// The checker must see every fault that a sweep could make.
func TestCheckerSeesFaults(t *testing.T) {
	sequence := func() (all []string) {
		for n := 5; n <= 30; n++ {
			all = append(all, mixed.message(n))
		}
		return all
	}
	for _, c := range []struct {
		name  string
		fault func(all []string) []string
		ok    bool
	}{
		{"none", func(all []string) []string { return all }, true},
		{"the first is missing", func(all []string) []string { return all[1:] }, false},
		{"the last is missing", func(all []string) []string { return all[:25] }, false},
		{"one is missing", func(all []string) []string { return append(all[:7], all[8:]...) }, false},
		{"one comes twice", func(all []string) []string { return append(all[:8], all[7:]...) }, false},
		{"an old one again", func(all []string) []string { return append(all[:20:20], append([]string{all[3]}, all[20:]...)...) }, false},
		{"the last comes twice", func(all []string) []string { return append(all, all[25]) }, false},
		{"two are swapped", func(all []string) []string { all[9], all[10] = all[10], all[9]; return all }, false},
		{"one from before", func(all []string) []string { return append([]string{mixed.message(4)}, all...) }, false},
		{"one is cut", func(all []string) []string { all[4] = all[4][:60_000]; return all }, false},
		{"one is empty", func(all []string) []string { all[4] = ""; return all }, false},
		{"a byte is another's", func(all []string) []string { all[4] = all[4][:500] + "?" + all[4][501:]; return all }, false},
	} {
		r := run{sizes: mixed}
		var err error
		for _, m := range c.fault(sequence()) {
			if err = r.take(ws.OpText, []byte(m)); err != nil {
				break
			}
		}
		if err == nil {
			err = r.spans(5, 30)
		}
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
