package tally

import (
	"testing"

	"pgregory.net/rapid"
)

// logOf is a log of publications, of which the first ones may be gone.
type logOf struct {
	offsets []uint64
	message map[uint64]bool
}

func (l *logOf) next(offset uint64) (uint64, bool, error) {
	for _, at := range l.offsets {
		if at >= offset {
			return at, l.message[at], nil
		}
	}
	return 0, false, ErrNone
}

// edge returns the offset of the newest message after which there are so many.
func (l *logOf) edge(most int) uint64 {
	for i := len(l.offsets) - 1; i >= 0; i-- {
		if !l.message[l.offsets[i]] {
			continue
		}
		if most == 0 {
			return l.offsets[i]
		}
		most--
	}
	return 0
}

// TestOracle compares the edge with a count of all messages, while publications come and become too old.
func TestOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, counts, top := &logOf{message: map[uint64]bool{}}, From(1), uint64(0)
		most := rapid.IntRange(0, 300).Draw(t, "most")
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			messages := rapid.IntRange(0, 4).Draw(t, "messages of four")
			for i := range rapid.IntRange(0, 250).Draw(t, "new") {
				top += uint64(1 + i%3)
				l.offsets = append(l.offsets, top)
				l.message[top] = i%4 < messages
			}
			gone := rapid.IntRange(0, len(l.offsets)/2).Draw(t, "gone")
			l.offsets = l.offsets[gone:]
			if err := counts.Extend(top, l.next); err != nil {
				t.Fatal(err)
			}
			edge, err := counts.Edge(most, l.next)
			if err != nil {
				t.Fatal(err)
			}
			if last := l.edge(most); edge <= last || l.count(last+1) != l.count(edge) {
				t.Fatalf("the edge is %d, and the newest message that is too many is at %d", edge, last)
			}
		}
	})
}

// count returns the number of messages from an offset on.
func (l *logOf) count(from uint64) (n int) {
	for _, at := range l.offsets {
		if at >= from && l.message[at] {
			n++
		}
	}
	return n
}
