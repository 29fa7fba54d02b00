package smoke

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"

	"webim/bench/client"
	"webim/bench/ws"
)

// The smoke test in the Centrifuge dialect: what it sends becomes commands, what it gets becomes plain frames, and what is in between is the same test.

// sessionReader reads a connection's bytes, in the plain dialect, and answers the server's pings. It is for one goroutine.
type sessionReader struct {
	conn    net.Conn // answers
	src     *bufio.Reader
	session *client.Session
	buf     []byte
	plain   []byte // that nobody has read yet
	err     error  // once plain is empty
}

func newSessionReader(conn net.Conn, src *bufio.Reader) *sessionReader {
	return &sessionReader{conn: conn, src: src, session: client.NewSession(), buf: make([]byte, 16<<10)}
}

func (s *sessionReader) Read(p []byte) (int, error) {
	for len(s.plain) == 0 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.plain)
	s.plain = s.plain[n:]
	return n, nil
}

// fill reads once. An error comes when what was before it has been read.
func (s *sessionReader) fill() error {
	if s.err != nil {
		return s.err
	}
	n, err := s.src.Read(s.buf)
	var answer []byte
	if s.plain, answer, s.err = s.session.Translate(s.plain, s.buf[:n]); s.err == nil {
		s.err = err
	}
	if len(answer) > 0 && s.err == nil {
		_, s.err = s.conn.Write(ws.AppendFrame(nil, ws.Text, answer, &mask))
	}
	if len(s.plain) > 0 {
		return nil
	}
	return s.err
}

// mask is as good as any: a server must not care.
var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frame is a message as a client sends it. In the Centrifuge dialect the payload must be text.
func (r *run) frame(room string, op byte, payload []byte) []byte {
	if !r.config.Centrifuge() {
		return ws.AppendFrame(nil, op, payload, &mask)
	}
	text, _ := json.Marshal(string(payload)) // no error for a string
	command := client.AppendPublish(nil, client.QuotedChannel(room), uint32(r.next), text[1:len(text)-1])
	return ws.AppendFrame(nil, ws.Text, command, &mask)
}

// subscribe does what follows a connection's upgrade, and returns where plain frames are to be read.
func (r *run) subscribe(conn net.Conn, br *bufio.Reader, room string) (*bufio.Reader, error) {
	if !r.config.Centrifuge() {
		return br, nil
	}
	if _, err := conn.Write(ws.AppendFrame(nil, ws.Text, client.JoinCommands(room, r.config.Token), &mask)); err != nil {
		return nil, err
	}
	s := newSessionReader(conn, br)
	for !s.session.Joined {
		if err := s.fill(); err != nil {
			return nil, fmt.Errorf("joining: %w", err)
		}
	}
	return bufio.NewReader(s), nil
}

// ops are the kinds of messages that the dialect knows.
func (r *run) ops() []byte {
	if r.config.Centrifuge() {
		return []byte{ws.Text}
	}
	return []byte{ws.Text, ws.Binary}
}
