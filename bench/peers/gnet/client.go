package main

import (
	"bytes"
	"errors"
	"io"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2"

	"webim/bench/peers/kit"
)

var (
	errTooLong  = errors.New("header or message too long")
	errProtocol = errors.New("not what a client may send")
	errClosed   = errors.New("closed by the client")
)

// client is one connection. Only its event loop uses it.
type client struct {
	conn  gnet.Conn
	share *share // nil before the upgrade
	at    int    // index in share.clients

	op      ws.OpCode // of the unfinished fragmented message
	partial []byte    // the fragments so far
}

// upgrade answers the handshake when its header is complete, and returns its path. The path is "" if the header is not complete yet.
func (c *client) upgrade() (path string, err error) {
	b, _ := c.conn.Peek(-1) // everything available; never fails
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		if len(b) > 16<<10 {
			return "", errTooLong
		}
		return "", nil
	}
	upgrader := ws.Upgrader{OnRequest: func(uri []byte) error {
		path = string(uri)
		return nil
	}}
	if _, err := upgrader.Upgrade(struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(b[:end+4]), c.conn}); err != nil {
		return "", err
	}
	_, err = c.conn.Discard(end + 4)
	return path, err
}

// read reads all complete frames, and calls message with each message, compiled to one frame.
func (c *client) read(message func(frame []byte)) error {
	for {
		b, _ := c.conn.Peek(-1)
		r := bytes.NewReader(b)
		h, err := ws.ReadHeader(r)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err == nil {
			err = ws.CheckHeader(h, ws.StateServerSide)
		}
		if err != nil {
			return err
		}
		size := len(b) - r.Len()
		if h.Length > kit.MaxMessage {
			return errTooLong
		}
		if int64(r.Len()) < h.Length {
			return nil
		}
		payload := bytes.Clone(b[size : size+int(h.Length)])
		if _, err := c.conn.Discard(size + len(payload)); err != nil {
			return err
		}
		ws.Cipher(payload, h.Mask, 0)
		if err := c.frame(h, payload, message); err != nil {
			return err
		}
	}
}

func (c *client) frame(h ws.Header, payload []byte, message func([]byte)) error {
	switch {
	case h.OpCode == ws.OpPing:
		_, err := c.conn.Write(ws.MustCompileFrame(ws.NewPongFrame(payload)))
		return err
	case h.OpCode == ws.OpClose:
		_, _ = c.conn.Write(ws.MustCompileFrame(ws.NewCloseFrame(payload))) // the connection ends even if this fails
		return errClosed
	case h.OpCode.IsControl():
		return nil
	case (h.OpCode == ws.OpContinuation) != (c.op != 0):
		return errProtocol
	case h.Fin && c.op == 0:
		message(ws.MustCompileFrame(ws.NewFrame(h.OpCode, true, payload)))
		return nil
	}
	if c.op == 0 {
		c.op = h.OpCode
	}
	if c.partial = append(c.partial, payload...); len(c.partial) > kit.MaxMessage {
		return errTooLong
	}
	if h.Fin {
		message(ws.MustCompileFrame(ws.NewFrame(c.op, true, c.partial)))
		c.op, c.partial = 0, nil
	}
	return nil
}
