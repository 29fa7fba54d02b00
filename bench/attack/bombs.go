package attack

import (
	"bytes"
	"runtime/debug"
	"slices"
	"sync"

	"webim/bench/ws"
)

// bombAttacks are the attacks with few bytes that cause much work.
func bombAttacks() []Attack {
	return []Attack{
		{Name: "deflate-bomb", What: "Clients send compressed messages of 64 KB that inflate to 64 MB.", prepare: func() { bomb() }, run: deflateBomb},
		{Name: "blank-line-bomb", What: "Clients send messages of nothing but line ends, compressed if the server takes that, before any command.", prepare: func() { blankLines() }, run: blankLineBomb},
	}
}

// bomb returns a compressed frame of 64 MB of spaces. Making it takes a second of CPU.
var bomb = sync.OnceValue(func() []byte {
	defer debug.FreeOSMemory()
	return ws.AppendRaw(nil, ws.FIN|ws.RSV1|ws.Text, ws.AppendDeflated(nil, bytes.Repeat([]byte{' '}, 64<<20)))
})

func deflateBomb(a *attacker) {
	a.connecting(a.openCompressed, func(_ int, c *conn) error {
		if !c.compressed {
			a.skipped("the server does not take permessage-deflate")
			return errOver
		}
		if _, err := c.Write(bomb()); err != nil {
			return err
		}
		return c.stalled()
	})
}

// blankLines returns messages of line ends: one of 1 MB, compressed, and one of 64 KB.
var blankLines = sync.OnceValues(func() (compressed, plain []byte) {
	message := func(n int) []byte { return slices.Concat([]byte("{}\n"), bytes.Repeat([]byte{'\n'}, n), []byte("{}")) }
	compressed = ws.AppendRaw(nil, ws.FIN|ws.RSV1|ws.Text, ws.AppendDeflated(nil, message(1<<20-16)))
	return compressed, ws.AppendRaw(nil, ws.FIN|ws.Text, message(64<<10))
})

func blankLineBomb(a *attacker) {
	compressed, plain := blankLines()
	a.connecting(a.openCompressed, func(_ int, c *conn) error {
		c.drain()
		frame := plain
		if c.compressed {
			frame = compressed
		}
		_, err := c.Write(frame)
		for err == nil {
			_, err = c.Write(frame)
		}
		return err
	})
}
