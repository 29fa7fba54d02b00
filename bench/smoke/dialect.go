package smoke

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"

	"webim/bench/client"
	"webim/bench/ws"
)

// In the Centrifuge dialect the smoke test is the same; this file turns its messages into commands, and publications into
// plain frames.

// sessionReader reads a connection as plain frames and answers the server's pings. It is for one goroutine.
type sessionReader struct {
	conn    net.Conn // for answers
	src     *bufio.Reader
	session *client.Session
	buf     []byte
	plain   []byte // translated bytes that were not read yet
	err     error  // to return when plain is empty
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

// fill reads once. It returns an error only when all bytes before the error have been read.
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

// mask is the mask of all frames. Any mask will do, because a server must not depend on it.
var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// frame returns a message as the dialect sends it. In the Centrifuge dialect the payload must be text.
func (r *run) frame(room string, op byte, payload []byte) []byte {
	if !r.config.Centrifuge() {
		return ws.AppendFrame(nil, op, payload, &mask)
	}
	text, _ := json.Marshal(string(payload)) // no error for a string
	command := client.AppendPublish(nil, client.QuotedChannel(room), uint32(r.next), text[1:len(text)-1])
	return ws.AppendFrame(nil, ws.Text, command, &mask)
}

// subscribe joins the room after the upgrade, and returns a reader of plain frames.
func (r *run) subscribe(conn net.Conn, br *bufio.Reader, room string) (*bufio.Reader, error) {
	if !r.config.Centrifuge() {
		return br, nil
	}
	if _, err := conn.Write(ws.AppendFrame(nil, ws.Text, client.JoinCommands(room, r.config.Token, nil), &mask)); err != nil {
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

// ops returns the kinds of messages that the dialect has.
func (r *run) ops() []byte {
	if r.config.Centrifuge() {
		return []byte{ws.Text}
	}
	return []byte{ws.Text, ws.Binary}
}
