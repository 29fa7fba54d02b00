package frame

import (
	"slices"
	"testing"
)

// TestStateAtEachByte checks that a message may be cut at each byte by a move to another Decoder.
func TestStateAtEachByte(t *testing.T) {
	for _, c := range wireCases {
		lim := testLimits
		lim.Deflate = c.deflate
		for at := range len(c.in) + 1 {
			want, wantErr := moved(t, c.in, at, lim, false)
			got, err := moved(t, c.in, at, lim, true)
			if !slices.Equal(got, want) || err != wantErr {
				t.Errorf("%s, moved at byte %d: %q, %v; want %q, %v", c.name, at, got, err, want, wantErr)
			}
		}
	}
}

// moved decodes in, the first bytes by one Decoder, and the others by one that has its State.
func moved(t *testing.T, in []byte, at int, lim Limits, move bool) (events []string, err *Error) {
	t.Helper()
	var d Decoder
	in = slices.Clone(in)
	b := in[:at]
	for range 2 {
		for len(b) > 0 {
			ev, n, err := d.Next(b, lim)
			if err != nil {
				return events, err
			}
			if ev.Op != 0 {
				events = append(events, string(rune('0'+ev.Op))+string(ev.Data))
			}
			if b = b[n:]; n == 0 {
				break
			}
		}
		if move {
			s := d.State()
			s.Body = slices.Clone(s.Body)
			var stateErr error
			if d, stateErr = s.Decoder(); stateErr != nil {
				t.Fatal(stateErr)
			}
		}
		b = in[at-len(b):]
	}
	return events, nil
}

// TestLimitBelowTheBody checks that a message which is longer than a new limit gets no further fragment.
func TestLimitBelowTheBody(t *testing.T) {
	d, err := State{Op: 2, Fragments: 1, Body: make([]byte, 2*testLimits.MaxMessage)}.Decoder()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Next(frame(pCont, "more"), testLimits); err != ErrTooBig {
		t.Errorf("%v; want %v", err, ErrTooBig)
	}
}
