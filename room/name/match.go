package name

import "strings"

// Match reports whether the name of a room matches pattern: * matches any sequence of bytes, also an
// empty one, and every other byte matches itself. Match takes the first occurrence of the text
// between two stars and never backtracks, so it takes a step for each byte of both, and
// searches at most as often as the name has bytes. It does not allocate.
func Match(pattern, room string) bool {
	part, pattern, star := strings.Cut(pattern, "*")
	if !star {
		return part == room
	}
	room, ok := strings.CutPrefix(room, part)
	for ok && star {
		pattern = strings.TrimLeft(pattern, "*") // so that part is not empty
		if part, pattern, star = strings.Cut(pattern, "*"); star {
			_, room, ok = strings.Cut(room, part)
		}
	}
	return ok && strings.HasSuffix(room, part)
}

// Overlap reports whether a room can have a name that matches both patterns. It takes a step for each pair of their bytes.
func Overlap(a, b string) bool {
	// rest[j] reports whether the rest of a, from the byte at hand, overlaps with b[j:].
	rest, next := make([]bool, len(b)+1), make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		rest, next = next, rest // next is the row of the byte after it
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				rest[j] = true
			case i < len(a) && a[i] == '*':
				rest[j] = next[j] || j < len(b) && rest[j+1]
			case j < len(b) && b[j] == '*':
				rest[j] = rest[j+1] || i < len(a) && next[j]
			default:
				rest[j] = i < len(a) && j < len(b) && a[i] == b[j] && next[j+1]
			}
		}
	}
	return rest[0]
}
