package attack

import (
	"bytes"
	"fmt"
	"time"

	"webim/bench/ws"
)

// readerAttacks are the attacks that make the server keep its output.
func readerAttacks() []Attack {
	return []Attack{{Name: "stuck-readers", What: "Clients do not read while others send into their room.", run: stuckReaders}}
}

// textSize is the length of a text: less than the 4,000 characters that chats commonly allow.
const textSize = 3500

// stuckReaders has one sender for 20 readers. The senders read, because the server may demand it.
func stuckReaders(a *attacker) {
	a.connecting(a.join, func(i int, c *conn) (err error) {
		if i%20 != 0 {
			c.ReceiveBuffer(4 << 10)
			return a.stuck()
		}
		c.drain()
		for n := 2; err == nil; n++ {
			if _, err = c.Write(a.message(n, textSize)); err == nil {
				err = a.pause(10 * time.Millisecond)
			}
		}
		return err
	})
}

// stuck waits for the end of the window without reading. A client that does not read cannot see either that it was closed.
func (a *attacker) stuck() error {
	<-a.ctx.Done()
	return errOver
}

// message returns a frame that publishes size bytes in the attacker's room.
func (a *attacker) message(id, size int) []byte {
	text := bytes.Repeat([]byte{'x'}, size)
	if a.target.Centrifuge() {
		text = publish(id, a.channel(), text)
	}
	return ws.AppendRaw(nil, ws.FIN|ws.Text, text)
}

// publish returns the command that publishes text, which must not need escapes.
func publish(id int, channel string, text []byte) []byte {
	return fmt.Appendf(nil, `{"id":%d,"publish":{"channel":%q,"data":{"text":"%s"}}}`, id, channel, text)
}
