package main_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
)

// A crowd is many clients of both dialects in a few rooms. In each room one of them sends numbered messages, and each checks that it
// gets all messages of each sender, once and in order.
type crowd struct {
	t       *testing.T
	rooms   int
	members []*member
	reading sync.WaitGroup
	sent    []atomic.Int64 // by sender
	senders []*sender
	ending  atomic.Bool // the server may end now
	wrong   atomic.Int64
	longest atomic.Int64 // time without a message, of any member, in nanoseconds
	got     atomic.Int64
}

// member is a client in a room.
type member struct {
	room int
	conn *wstest.Client // nil: the other dialect
	sdk  *wstest.Protocol
	last map[string]int // number of the last message, by sender. Guarded by mu.
	half []byte         // the rest of a frame of which a part has been sent
	owed atomic.Int32   // answers to such frames
	mu   sync.Mutex
	at   time.Time
}

// sender sends the messages of a room.
type sender struct {
	name string
	conn *wstest.Client
	n    int
	half []byte // the rest of a message of which a part has been sent
}

// gather connects n clients, half of them of each dialect, to rooms of a server.
func gather(t *testing.T, addr string, n, rooms int) *crowd {
	t.Helper()
	return gatherAt(t, []string{addr}, n, rooms)
}

// largeCrowd members of a crowd are so many that there is one such crowd at a time.
const largeCrowd = 5000

var largeCrowds sync.Mutex

// gatherAt is gather for the nodes of a cluster.
func gatherAt(t *testing.T, addrs []string, n, rooms int) *crowd {
	t.Helper()
	if n > largeCrowd {
		largeCrowds.Lock() // the test's process has no descriptors for two, and each would measure the other
		t.Cleanup(largeCrowds.Unlock)
	}
	c := &crowd{t: t, rooms: rooms}
	for i := range n {
		m, addr := &member{room: i % rooms, last: map[string]int{}, at: time.Now()}, addrs[i/2/rooms%len(addrs)]
		if i/rooms%2 == 0 {
			m.conn = wstest.ConnectPath(t, addr, "/room"+strconv.Itoa(m.room))
		} else {
			m.sdk = wstest.OpenProtocol(t, addr, "/connection/websocket", i%4 == 1)
			m.sdk.Connect(&protocol.ConnectRequest{})
			m.sdk.Subscribe(&protocol.SubscribeRequest{Channel: "room" + strconv.Itoa(m.room)})
		}
		c.members = append(c.members, m)
		c.reading.Go(func() { c.read(m) }) // at once: on a busy machine the first ones are pinged before the last one is there
	}
	for i := range rooms {
		c.senders = append(c.senders, &sender{name: "s" + strconv.Itoa(i), conn: wstest.ConnectPath(t, addrs[i%len(addrs)], "/room"+strconv.Itoa(i))})
		s := c.senders[i]
		c.reading.Go(func() { // it is a member, too
			for {
				if _, _, err := s.conn.ReadFrame(); err != nil {
					return
				}
			}
		})
	}
	return c
}

// read reads the messages of a member until its connection ends.
func (c *crowd) read(m *member) {
	for {
		var texts []string
		if m.conn != nil {
			m.conn.ResetDeadline()
			op, payload, err := m.conn.ReadMessage()
			if err != nil {
				c.left(m, err)
				return
			}
			if op == ws.OpPong {
				m.owed.Add(-1)
			}
			if op == ws.OpPing {
				_ = m.conn.TrySend(wstest.Frame(0x8a, string(payload)))
			}
			if op != ws.OpText {
				continue
			}
			texts = []string{string(payload)}
		} else {
			m.sdk.ResetDeadline()
			reply, err := m.sdk.Next()
			if err != nil {
				c.left(m, err)
				return
			}
			if reply.Id == halfCommand {
				m.owed.Add(-1)
			}
			if reply.Push == nil || reply.Push.Pub == nil {
				continue
			}
			var said struct{ Text string }
			if err := json.Unmarshal(reply.Push.Pub.Data, &said); err != nil {
				c.t.Errorf("%s: %v", reply.Push.Pub.Data, err)
			}
			texts = []string{said.Text}
		}
		for _, text := range texts {
			c.note(m, text)
		}
	}
}

// left notes that the connection of a member has ended, which is wrong while the server must go on.
func (c *crowd) left(m *member, err error) {
	if !c.ending.Load() && c.wrong.Add(1) < 20 {
		c.t.Errorf("room %d: a member's connection has ended: %v", m.room, err)
	}
}

// note checks one message of a member.
func (c *crowd) note(m *member, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for gap := int64(now.Sub(m.at)); ; {
		old := c.longest.Load()
		if gap <= old || c.longest.CompareAndSwap(old, gap) {
			break
		}
	}
	m.at = now
	name, number, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n != m.last[name]+1 {
		if c.wrong.Add(1) < 20 {
			c.t.Errorf("room %d: %.60q came after %d", m.room, text, m.last[name])
		}
	}
	m.last[name] = n
	c.got.Add(1)
}

// halfCommand is the number of the commands of halves.
const halfCommand = 99

// halves makes every second member send a part of a frame that the server answers. The server must send no pings of its own.
func (c *crowd) halves(random *rand.Rand) {
	for _, m := range c.members[:len(c.members)/2] {
		frame := wstest.Frame(0x89, "half")
		if m.sdk != nil {
			command := &protocol.Command{Id: halfCommand, PresenceStats: &protocol.PresenceStatsRequest{Channel: "room" + strconv.Itoa(m.room)}}
			b, err := command.MarshalCF()
			if b = append(binary.AppendUvarint(nil, uint64(len(b))), b...); m.sdk.Binary {
				frame = wstest.Frame(0x82, string(b))
			} else if b, err = protocol.NewJSONCommandEncoder().Encode(command); err == nil {
				frame = wstest.Frame(0x81, string(b))
			}
			if err != nil {
				c.t.Fatal(err)
			}
		}
		cut := 1 + random.IntN(len(frame)-1)
		m.half = frame[cut:]
		m.owed.Add(1)
		m.write(c.t, frame[:cut])
	}
}

// finishHalves sends the rest, and waits for the answers.
func (c *crowd) finishHalves() {
	c.t.Helper()
	for _, m := range c.members[:len(c.members)/2] {
		m.write(c.t, m.half)
	}
	wstest.Eventually(c.t, "each member has an answer to the frame that it has sent in two parts", func() bool {
		return !slices.ContainsFunc(c.members, func(m *member) bool { return m.owed.Load() != 0 })
	})
}

// write writes bytes, while another goroutine reads.
func (m *member) write(t *testing.T, b []byte) {
	t.Helper()
	client := m.conn
	if client == nil {
		client = m.sdk.Client
	}
	if _, err := client.Conn.Write(b); err != nil {
		t.Error(err)
	}
}

// next returns the next message of a sender as a frame.
func (s *sender) next() []byte {
	s.n++
	return wstest.Frame(0x81, fmt.Sprintf("%s %d", s.name, s.n))
}

// finishHalf sends the rest of a message.
func (s *sender) finishHalf() {
	if s.half != nil {
		_ = s.conn.TrySend(s.half)
		s.half = nil
	}
}

// ahead is the number of messages by which a sender may be ahead of any member of its room.
const ahead = 20

// hasTurn reports whether no member of a room is too far behind its sender. So a slow machine gets fewer messages, and no member is
// closed because this process reads too slowly.
func (c *crowd) hasTurn(room int, s *sender) bool {
	return !slices.ContainsFunc(c.members, func(m *member) bool { return m.room == room && m.number(s) <= s.n-ahead })
}

// number returns the number of the last message that a member has from a sender.
func (m *member) number(s *sender) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last[s.name]
}

// talk makes every sender send a message each interval if it has its turn, until the context ends. Now and then a sender leaves a message
// half sent for a while.
func (c *crowd) talk(ctx context.Context, interval time.Duration, seed uint64) *sync.WaitGroup {
	var talking sync.WaitGroup
	for i, s := range c.senders {
		talking.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			tick := time.NewTicker(interval)
			defer tick.Stop()
			defer s.finishHalf()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				s.finishHalf()
				if !c.hasTurn(i, s) {
					continue
				}
				frame := s.next()
				cut := len(frame)
				if random.IntN(3) == 0 {
					cut = 1 + random.IntN(len(frame)-1)
				}
				if err := s.conn.TrySend(frame[:cut]); err != nil {
					if !c.ending.Load() {
						c.t.Errorf("sending: %v", err)
					}
					return
				}
				if cut < len(frame) {
					s.half = frame[cut:]
				}
			}
		})
	}
	return &talking
}

// check waits until each member has all messages.
func (c *crowd) check() {
	c.t.Helper()
	wstest.Eventually(c.t, "all members have all messages", func() bool {
		return !slices.ContainsFunc(c.members, func(m *member) bool { s := c.senders[m.room]; return m.number(s) != s.n })
	})
}

// end closes all connections.
func (c *crowd) end() {
	c.ending.Store(true)
	for _, m := range c.members {
		if m.conn != nil {
			m.conn.Conn.Close()
		} else {
			m.sdk.Conn.Close()
		}
	}
	for _, s := range c.senders {
		s.conn.Conn.Close()
	}
	c.reading.Wait()
}
