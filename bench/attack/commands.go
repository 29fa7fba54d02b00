package attack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"webim/bench/ws"
)

// commandAttacks are the attacks with commands of the Centrifuge protocol.
func commandAttacks() []Attack {
	return []Attack{
		{Name: "subscribe-storm", What: "Clients subscribe to ever new rooms, 100 in a message.", centrifuge: true, run: subscribeStorm},
		{Name: "history-amplification", What: "Clients ask for a room's whole history again and again.", centrifuge: true, run: historyAmplification},
		{Name: "join-leave-churn", What: "Clients enter and leave a room again and again.", centrifuge: true, run: joinLeaveChurn},
		{Name: "recovery-amplification", What: "Clients connect and recover all that a room remembers, again and again.", centrifuge: true, run: recoveryAmplification},
	}
}

// connected opens a WebSocket and sends the connect command. It calls answers with each frame from the server.
func (a *attacker) connected(i int, answers func(ws.Event)) (*conn, error) {
	c, err := a.open(i)
	if err != nil {
		return nil, err
	}
	c.listen(answers)
	if err := c.command(a.target.Connect(1)); err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

// commanding connects clients again and again; each sends messages of commands, with a pause after each. It calls script for each
// connection of client i, and next for the commands of each message.
func (a *attacker) commanding(pause time.Duration, script func(i int) (next func() [][]byte)) {
	open := func(i int) (*conn, error) { return a.connected(i, a.refusals) }
	a.connecting(open, func(i int, c *conn) (err error) {
		for next := script(i); err == nil; {
			if err = c.command(next()...); err == nil {
				err = a.pause(pause)
			}
		}
		return err
	})
}

func subscribeStorm(a *attacker) {
	const many = 100
	var rooms atomic.Int64 // so that no room comes twice, on any client
	a.commanding(10*time.Millisecond, func(i int) func() [][]byte {
		id := 1
		return func() (lines [][]byte) {
			for range many {
				id++
				lines = append(lines, subscribe(id, fmt.Sprintf("%s-%d-%d", a.channel(), i, rooms.Add(1))))
			}
			return lines
		}
	})
}

// refusals records the error replies in a message.
func (a *attacker) refusals(ev ws.Event) {
	if ev.Op != ws.Text || !bytes.Contains(ev.Payload, []byte(`"error"`)) {
		return
	}
	for line := range bytes.SplitSeq(ev.Payload, []byte{'\n'}) {
		var reply struct {
			Error *struct {
				Code    int    `json:"code"`
				Message string `json:"message"`
			} `json:"error"`
		}
		if json.Unmarshal(line, &reply) == nil && reply.Error != nil {
			_ = a.refused(fmt.Errorf("error %d %s", reply.Error.Code, reply.Error.Message))
		}
	}
}

// fill first publishes as much in the room as the server accepts, so that the room has a history.
func (a *attacker) fill() error {
	c, err := a.join(0)
	if err != nil {
		return err
	}
	defer c.drop()
	c.listen(a.refusals)
	for n := range 100 {
		if err := c.command(publish(n+3, a.channel(), bytes.Repeat([]byte{'h'}, textSize))); err != nil {
			return err
		}
		if n%10 == 9 && a.pause(20*time.Millisecond) != nil {
			return errOver
		}
	}
	return a.pause(100 * time.Millisecond)
}

func historyAmplification(a *attacker) {
	if err := a.fill(); err != nil {
		return
	}
	const many = 20
	a.commanding(10*time.Millisecond, func(int) func() [][]byte {
		id := 2
		lines := [][]byte{subscribe(id, a.channel())} // begins the first message
		return func() [][]byte {
			for range many {
				id++
				lines = append(lines, fmt.Appendf(nil, `{"id":%d,"history":{"channel":%q,"limit":1000}}`, id, a.channel()))
			}
			all := lines
			lines = nil
			return all
		}
	})
}

func joinLeaveChurn(a *attacker) {
	const many = 20
	a.commanding(10*time.Millisecond, func(int) func() [][]byte {
		id := 2
		return func() (lines [][]byte) {
			for range many {
				lines = append(lines, fmt.Appendf(nil, `{"id":%d,"subscribe":{"channel":%q,"join_leave":true}}`, id, a.channel()),
					fmt.Appendf(nil, `{"id":%d,"unsubscribe":{"channel":%q}}`, id+1, a.channel()))
				id += 2
			}
			return lines
		}
	})
}

// recoveryAmplification recovers from offset 0 in the room's current epoch.
func recoveryAmplification(a *attacker) {
	if a.fill() != nil {
		return
	}
	epoch, err := a.epoch()
	if err != nil {
		a.skipped(err.Error())
		return
	}
	recover := fmt.Appendf(nil, `{"id":2,"subscribe":{"channel":%q,"recover":true,"epoch":%q,"offset":0}}`, a.channel(), epoch)
	leave := fmt.Appendf(nil, `{"id":3,"unsubscribe":{"channel":%q}}`, a.channel())
	a.commanding(20*time.Millisecond, func(int) func() [][]byte {
		return func() [][]byte { return [][]byte{recover, leave} }
	})
}

// epoch asks the server for the room's epoch.
func (a *attacker) epoch() (string, error) {
	got := make(chan string, 1)
	c, err := a.connected(0, func(ev ws.Event) {
		for line := range bytes.SplitSeq(ev.Payload, []byte{'\n'}) {
			var reply struct {
				Subscribe *struct {
					Epoch string `json:"epoch"`
				} `json:"subscribe"`
			}
			if json.Unmarshal(line, &reply) == nil && reply.Subscribe != nil {
				select {
				case got <- reply.Subscribe.Epoch:
				default:
				}
			}
		}
	})
	if err != nil {
		return "", err
	}
	defer c.drop()
	if err := c.command(fmt.Appendf(nil, `{"id":2,"subscribe":{"channel":%q,"recoverable":true,"positioned":true}}`, a.channel())); err != nil {
		return "", err
	}
	select {
	case epoch := <-got:
		if epoch == "" {
			return "", errors.New("the server's rooms do not support recovery")
		}
		return epoch, nil
	case <-a.ctx.Done():
		return "", errOver
	case <-time.After(5 * time.Second):
		return "", errors.New("the attacker could not subscribe within 5 s")
	}
}
