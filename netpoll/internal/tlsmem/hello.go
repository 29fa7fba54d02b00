package tlsmem

// MaxHello bounds a ClientHello. Large ones, with post-quantum keys, have 2 KB.
const MaxHello = 16 << 10

// Peek calls f with the input, which f must not keep or change.
func (c *Conn) Peek(f func(in []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.in)
}

// WholeHello reports whether b holds a whole ClientHello (RFC 8446, section 4: a handshake message
// of type 1 with a length of three bytes, in one or more records of type 22). bad says that it
// never will.
func WholeHello(b []byte) (whole, bad bool) {
	need, have := 4, 0
	for len(b) >= 5 {
		size := int(b[3])<<8 | int(b[4])
		if b[0] != 22 || b[1] != 3 || size == 0 || size > 16<<10 {
			return false, true
		}
		body := b[5:min(len(b), 5+size)]
		if have == 0 && len(body) >= 4 {
			if body[0] != 1 {
				return false, true
			}
			need = 4 + (int(body[1])<<16 | int(body[2])<<8 | int(body[3]))
		}
		have += len(body)
		if have >= need && have >= 4 {
			return true, false
		}
		if need > MaxHello || len(b) < 5+size {
			return false, need > MaxHello
		}
		b = b[5+size:]
	}
	return false, len(b) > 0 && b[0] != 22
}
