package benchtest

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/bench/ws"
)

// ChannelServer is a server of the Centrifuge protocol in JSON, of known behaviour. It is strict with its clients. It
// sends a ping in the frame of the reply to a subscription, and accepts no message before the pong.
type ChannelServer struct {
	// Secure, if set, makes the server use TLS.
	Secure *tls.Config
	// Refuse returns the error code for a command, by its name and the number of such commands before it; zero accepts it.
	Refuse func(name string, n int) int
	// Close is the code of a close frame to send instead of the reply to a subscription; zero means none.
	Close int
	// Kick ends the subscription of a client at its first message.
	Kick bool
	// Copies returns how often to send message n; nil means once.
	Copies func(n int) int
	// Delay is how long the server keeps each message.
	Delay time.Duration
	// Push returns data as a publication; nil means the usual form.
	Push func(channel string, data []byte) string
	// Silent makes the server require no pongs, and forbid them.
	Silent bool

	URL      string
	done     sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	Channels map[string]map[net.Conn]bool
	seen     map[string]int // commands by name
	Paths    map[string]int
	wrong    []string // faults of the clients
}

// Start serves until the test ends.
func (s *ChannelServer) Start(t testing.TB) *ChannelServer {
	t.Helper()
	var ln net.Listener
	ln, s.URL = listen(t, s.Secure)
	s.conns, s.Channels, s.seen, s.Paths = map[net.Conn]bool{}, map[string]map[net.Conn]bool{}, map[string]int{}, map[string]int{}
	accept(&s.done, ln, s.client)
	t.Cleanup(func() {
		ln.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		s.done.Wait()
		if len(s.wrong) > 0 {
			t.Errorf("clients did wrong: %.500q", s.wrong)
		}
	})
	return s
}

// member is the state of a connection.
type member struct {
	net.Conn
	connected, pinged, ponged bool
	room                      string
	ids                       map[uint32]bool
}

func (s *ChannelServer) client(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.conns[c] = true
	s.Paths[req.URL.Path]++
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", ws.AcceptKey(req.Header.Get("Sec-WebSocket-Key")))
	s.mu.Unlock()
	g := &member{Conn: c, ids: map[uint32]bool{}}
	for s.message(g, r) == nil {
	}
	s.mu.Lock()
	delete(s.conns, c)
	delete(s.Channels[g.room], c)
	s.mu.Unlock()
}

func (s *ChannelServer) message(g *member, r *bufio.Reader) error {
	h, payload, err := readClientFrame(r)
	if err != nil {
		return err
	}
	if h.Op == ws.Close {
		return io.EOF
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var replies []string
	for _, line := range strings.Split(strings.TrimSuffix(string(payload), "\n"), "\n") {
		reply, err := s.command(g, line)
		if err != nil {
			return err
		}
		replies = append(replies, reply...)
	}
	if len(replies) > 0 {
		_, _ = g.Write(ws.AppendFrame(nil, ws.Text, []byte(strings.Join(replies, "\n")), nil))
	}
	return nil
}

// command answers one command. Call it with mu.
func (s *ChannelServer) command(g *member, line string) (replies []string, err error) {
	if line == "{}" {
		if !g.pinged || s.Silent {
			s.wrong = append(s.wrong, "a pong without need")
		}
		g.ponged = true
		return nil, nil
	}
	var m struct {
		ID                          uint32
		Connect, Subscribe, Publish *struct {
			Channel string
			Data    json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(line), &m); err != nil || m.ID == 0 || g.ids[m.ID] {
		s.wrong = append(s.wrong, fmt.Sprintf("%.200s: %v, or no new id", line, err))
		return nil, io.EOF
	}
	g.ids[m.ID] = true
	name, result, body := "connect", `{"client":"x","version":"fake","ping":25,"pong":`+fmt.Sprint(!s.Silent)+`}`, m.Connect
	if m.Subscribe != nil {
		name, result, body = "subscribe", "{}", m.Subscribe
	} else if m.Publish != nil {
		name, result, body = "publish", "{}", m.Publish
	}
	if name == "subscribe" && !g.connected && s.seen["connect"] > 0 && s.Refuse != nil {
		return nil, nil // sent along with the connect that was refused
	}
	if body == nil || (name != "connect") != g.connected || name == "publish" && !s.Silent && !g.ponged {
		s.wrong = append(s.wrong, fmt.Sprintf("%.200s: out of turn", line))
		return nil, io.EOF
	}
	n := s.seen[name]
	s.seen[name]++
	if s.Refuse != nil && s.Refuse(name, n) != 0 {
		return []string{fmt.Sprintf(`{"id":%d,"error":{"code":%d,"message":"as told"}}`, m.ID, s.Refuse(name, n))}, nil
	}
	reply := fmt.Sprintf(`{"id":%d,"%s":%s}`, m.ID, name, result)
	more, err := s.execute(g, name, n, body.Channel, body.Data)
	return append([]string{reply}, more...), err
}

// execute executes command number n of its name, and returns the messages that follow its reply. Call it with mu.
func (s *ChannelServer) execute(g *member, name string, n int, channel string, data []byte) (more []string, err error) {
	switch name {
	case "connect":
		g.connected = true
	case "subscribe":
		if s.Close != 0 {
			_, _ = g.Write(ws.AppendFrame(nil, ws.Close, []byte{byte(s.Close >> 8), byte(s.Close)}, nil))
			return nil, io.EOF
		}
		if s.Channels[channel] == nil {
			s.Channels[channel] = map[net.Conn]bool{}
		}
		s.Channels[channel][g.Conn] = true
		g.room, g.pinged = channel, true
		more = append(more, "{}", `{"push":{"channel":"`+g.room+`","join":{"info":{"client":"x"}}}}`)
	case "publish":
		s.publish(n, channel, data)
		if s.Kick {
			more = append(more, `{"push":{"channel":"lobby","unsubscribe":{"code":2000,"reason":"kicked"}}}`)
		}
	}
	return more, nil
}

// publish sends message n to its channel, in one frame, after Delay.
func (s *ChannelServer) publish(n int, channel string, data []byte) {
	push := `{"push":{"channel":"` + channel + `","pub":{"data":` + string(data) + `,"offset":` + fmt.Sprint(n) + `}}}`
	if s.Push != nil {
		push = s.Push(channel, data)
	}
	copies := 1
	if s.Copies != nil {
		copies = s.Copies(n)
	}
	text := strings.TrimSuffix(strings.Repeat(push+"\n", copies), "\n")
	send := func() {
		for c := range s.Channels[channel] {
			_, _ = c.Write(ws.AppendFrame(nil, ws.Text, []byte(text), nil))
		}
	}
	if copies == 0 {
		return
	}
	if s.Delay == 0 {
		send()
		return
	}
	s.done.Go(func() {
		time.Sleep(s.Delay) // the behaviour under test
		s.mu.Lock()
		defer s.mu.Unlock()
		send()
	})
}
