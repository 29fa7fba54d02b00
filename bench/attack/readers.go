package attack

import (
	"bytes"
	"fmt"
	"time"

	"webim/bench"
)

// readerAttacks are those of clients that make the server keep what it sends.
func readerAttacks() []Attack {
	return []Attack{{Name: "stuck-readers", What: "Clients do not read while others send into their room.", run: stuckReaders}}
}

// textSize is the length of a text: less than the 4,000 characters that chats commonly allow.
const textSize = 3500

// stuckReaders has one sender for 20 readers. The senders read what comes back, as the server may demand of them.
func stuckReaders(a *attacker) {
	a.each(func(i int) {
		a.again(func() error {
			c, err := a.join(i)
			if err != nil {
				return err
			}
			defer c.drop()
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
	})
}

// stuck waits for the end of the window without reading: a client that does not read does not see that it was closed either.
func (a *attacker) stuck() error {
	<-a.ctx.Done()
	return errOver
}

// message is a frame that says size bytes in the attacker's room.
func (a *attacker) message(id, size int) []byte {
	text := bytes.Repeat([]byte{'x'}, size)
	if a.target.Centrifuge() {
		text = publish(id, a.channel(), text)
	}
	return bench.AppendFrame(nil, bench.FIN|bench.Text, text)
}

// publish is the command that says text, which must not need escapes.
func publish(id int, channel string, text []byte) []byte {
	return fmt.Appendf(nil, `{"id":%d,"publish":{"channel":%q,"data":{"text":"%s"}}}`, id, channel, text)
}
