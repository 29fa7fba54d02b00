package attack

import (
	"bytes"

	"webim/bench/ws"
)

// frameAttacks are the attacks with frames that are valid one by one.
func frameAttacks() []Attack {
	return []Attack{
		{Name: "half-message", What: "Each client sends all but the last byte of a message of 256 KiB, and waits.", run: halfMessage},
		{Name: "declared-length", What: "Clients announce messages of 1 GB and send nothing of them.", run: declaredLength},
		{Name: "empty-fragments", What: "Clients send empty fragments of one message without an end.", run: func(a *attacker) { fragments(a, 0, 512) }},
		{Name: "tiny-fragments", What: "Clients send fragments of one byte without an end.", run: func(a *attacker) { fragments(a, 1, 512) }},
		{Name: "fragment-flood", What: "Clients send fragments of 8 KiB without an end.", run: func(a *attacker) { fragments(a, 8<<10, 4) }},
		{Name: "ping-flood", What: "Clients send pings of 125 bytes without an end; every second one does not read the pongs.", run: pingFlood},
	}
}

func halfMessage(a *attacker) {
	frame := ws.AppendRaw(nil, ws.FIN|ws.Text, bytes.Repeat([]byte{'x'}, 256<<10))
	a.stalling(frame[:len(frame)-1])
}

func declaredLength(a *attacker) { a.stalling(ws.AppendRawHeader(nil, ws.FIN|ws.Binary, 1<<30)) }

// stalling opens WebSockets, sends the beginning of a message on each, and waits until the server ends the connection.
func (a *attacker) stalling(beginning []byte) {
	a.connecting(a.open, func(_ int, c *conn) error {
		if _, err := c.Write(beginning); err != nil {
			return err
		}
		return c.stalled()
	})
}

// fragments sends frames of size bytes, many in one write, that never end their message.
func fragments(a *attacker, size, many int) {
	payload := bytes.Repeat([]byte{'x'}, size)
	first := ws.AppendRaw(nil, ws.Text, payload)
	more := bytes.Repeat(ws.AppendRaw(nil, ws.Continuation, payload), many)
	a.repeatedly(first, more, func(int) bool { return true })
}

func pingFlood(a *attacker) {
	pings := bytes.Repeat(ws.AppendRaw(nil, ws.FIN|ws.Ping, bytes.Repeat([]byte{'p'}, 125)), 100)
	a.repeatedly(pings, pings, func(i int) bool { return i%2 == 0 })
}

// repeatedly opens WebSockets, and sends first, and then more until the server ends the connection. reads reports whether client i reads.
func (a *attacker) repeatedly(first, more []byte, reads func(i int) bool) {
	a.connecting(a.open, func(i int, c *conn) error {
		if reads(i) {
			c.drain()
		}
		_, err := c.Write(first)
		for err == nil {
			_, err = c.Write(more)
		}
		return err
	})
}
