package option

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"webim/bench/stamp"
)

// Size is a distribution of payload lengths: one length ("128"), uniform between two lengths ("64-1024"), or weighted
// ("128:90,4096:10": nine of ten messages have 128 bytes; each part may be a range). The length of a message depends only
// on its number, so that two runs send the same.
type Size struct{ parts []sizePart }

type sizePart struct {
	from, to int
	upto     uint64 // sum of the weights up to this part
}

// maxSize is the maximum length of a payload in bytes. It is limited because each sender keeps one payload.
const maxSize = 16 << 20

// FixedSize returns the Size with n bytes for every message.
func FixedSize(n int) Size { return Size{[]sizePart{{n, n, 1}}} }

// ParseSize reads the text form of a Size.
func ParseSize(text string) (Size, error) {
	var s Size
	sum := uint64(0)
	for part := range strings.SplitSeq(text, ",") {
		lengths, weight, weighted := strings.Cut(strings.TrimSpace(part), ":")
		w := uint64(1)
		if weighted {
			var err error
			if w, err = strconv.ParseUint(weight, 10, 31); err != nil || w == 0 {
				return s, Bad("--size %q: the weight %q is not a number greater than 0; write it like 128:90,4096:10", text, weight)
			}
		}
		low, high, ranged := strings.Cut(lengths, "-")
		if !ranged {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || from > to || to > maxSize {
			return s, Bad("--size %q: write it like 128, 64-1024 or 128:90,4096:10, up to %d bytes", text, maxSize)
		}
		sum += w
		s.parts = append(s.parts, sizePart{from, to, sum})
	}
	return s, s.Check()
}

// Check refuses lengths that are too small for a stamp.
func (s Size) Check() error {
	if s.Min() < stamp.Size {
		return Bad("--size %s: give at least %d bytes, because each message has a stamp", s, stamp.Size)
	}
	return nil
}

// Of returns the length of message seq. A hash of the number chooses the part by its weight, and then the length within
// its range.
func (s Size) Of(seq uint32) int {
	if n, ok := s.Fixed(); ok {
		return n
	}
	x := (uint64(seq) + 1) * 0x9e3779b97f4a7c15 // splitmix64: consecutive numbers give unrelated hashes
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	pick, rest := bits.Mul64(x, s.parts[len(s.parts)-1].upto)
	for _, p := range s.parts {
		if pick < p.upto {
			in, _ := bits.Mul64(rest, uint64(p.to-p.from+1))
			return p.from + int(in)
		}
	}
	return s.parts[0].from // not reached: pick is below the last weight
}

// Fixed returns the length of all messages; ok is false if they differ.
func (s Size) Fixed() (n int, ok bool) {
	if len(s.parts) == 0 {
		return 0, true
	}
	return s.parts[0].from, len(s.parts) == 1 && s.parts[0].from == s.parts[0].to
}

func (s Size) Min() int {
	if len(s.parts) == 0 {
		return 0
	}
	return slices.MinFunc(s.parts, func(a, b sizePart) int { return a.from - b.from }).from
}

func (s Size) Max() int {
	if len(s.parts) == 0 {
		return 0
	}
	return slices.MaxFunc(s.parts, func(a, b sizePart) int { return a.to - b.to }).to
}

// String is the inverse of ParseSize.
func (s Size) String() string {
	var b strings.Builder
	before := uint64(0)
	for i, p := range s.parts {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, p.from)
		if p.to != p.from {
			fmt.Fprintf(&b, "-%d", p.to)
		}
		if len(s.parts) > 1 {
			fmt.Fprintf(&b, ":%d", p.upto-before)
		}
		before = p.upto
	}
	return b.String()
}

// UnmarshalText calls ParseSize, so that a Size can be a flag.
func (s *Size) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSize(string(text))
	return err
}

// MarshalJSON writes a number if all messages have one length, and the text otherwise.
func (s Size) MarshalJSON() ([]byte, error) {
	if n, ok := s.Fixed(); ok {
		return json.Marshal(n)
	}
	return json.Marshal(s.String())
}
