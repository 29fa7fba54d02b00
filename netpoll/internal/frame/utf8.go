package frame

import "unicode/utf8"

// validPrefix returns the number of bytes at the start of p that are whole, valid UTF-8 sequences.
// ok is false if p has a byte that makes the text invalid however it continues. Otherwise the bytes
// behind the prefix, at most three, are the start of a sequence.
func validPrefix(p []byte) (n int, ok bool) {
	// Only the last three bytes can be an unfinished sequence: find the start of the last
	// sequence, and let the fast validator check everything before it.
	cut := len(p)
	for i := 1; i <= 3 && i <= len(p); i++ {
		if utf8.RuneStart(p[len(p)-i]) {
			if !utf8.FullRune(p[len(p)-i:]) {
				cut = len(p) - i
			}
			break
		}
	}
	return cut, utf8.Valid(p[:cut])
}
