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
