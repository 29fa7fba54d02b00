package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"

	"webim/bench/audit"
	"webim/bench/client"
	"webim/bench/ws"
)

// Limits of a client's connection.
const (
	dialTimeout  = 5 * time.Second
	writeTimeout = 5 * time.Second
	silence      = 8 * time.Second // webim pings every 3 s; a connection that is silent for so long is dead
)

// conn is a connection of a client.
type conn struct {
	raw  *client.Raw
	mu   sync.Mutex // writing
	last uint32     // number of the last command
}

// dial opens a connection in the Centrifuge dialect, or in the plain dialect to a room.
func dial(ctx context.Context, addr, token, room string) (*conn, error) {
	cfg := client.Config{URL: "ws://" + addr + "/", Dialect: client.Centrifuge, Timeout: dialTimeout}
	if room != "" {
		cfg = client.Config{URL: "ws://" + addr + "/" + room, Dialect: client.Plain, Token: token, Timeout: dialTimeout}
	}
	d, err := client.NewDialer(cfg)
	if err != nil {
		return nil, err
	}
	raw, err := d.Dial(ctx, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Upgrade(raw, "/"+url.PathEscape(room), false); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &conn{raw: raw}, nil
}

// command sends a command and returns its number. before is called with the number before the command is sent.
func (c *conn) command(method string, params any, before func(id uint32)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	text, err := json.Marshal(map[string]any{"id": c.last, method: params})
	if err != nil {
		return err
	}
	before(c.last)
	return c.writeLocked(text)
}

// text sends a text message.
func (c *conn) text(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeLocked(b)
}

func (c *conn) writeLocked(b []byte) error { return c.frameLocked(ws.Text, b) }

func (c *conn) frameLocked(op byte, b []byte) error {
	_ = c.raw.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.raw.Write(ws.AppendFrame(nil, op, b, &[4]byte{1, 2, 3, 4}))
	return err
}

// read calls f with each text message until the connection ends, and returns the reason.
func (c *conn) read(f func(text []byte) error) error {
	buf := make([]byte, 16<<10)
	for {
		_ = c.raw.SetReadDeadline(time.Now().Add(silence))
		var failed error
		_, err := c.raw.Events(buf, func(e ws.Event) {
			switch {
			case failed != nil:
			case e.Op == ws.Close:
				failed = closeError(e.Payload)
			case e.Op == ws.Ping:
				c.mu.Lock()
				failed = c.frameLocked(ws.Pong, e.Payload)
				c.mu.Unlock()
			case e.Op == ws.Text:
				failed = f(e.Payload)
			}
		})
		if failed == nil {
			failed = err
		}
		if failed != nil {
			return failed
		}
	}
}

func closeError(payload []byte) error {
	if len(payload) < 2 {
		return fmt.Errorf("closed")
	}
	return fmt.Errorf("closed with %d %s", int(payload[0])<<8|int(payload[1]), payload[2:])
}

// reply has the parts of a server's message that clients need. An empty reply is a ping.
type reply struct {
	ID    uint32 `json:"id"`
	Error *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	Connect   *struct{} `json:"connect"`
	Subscribe *history  `json:"subscribe"`
	History   *history  `json:"history"`
	RPC       *struct {
		Data struct {
			Offset uint64 `json:"offset"`
			Epoch  string `json:"epoch"`
		} `json:"data"`
	} `json:"rpc"`
	Push *struct {
		Channel     string       `json:"channel"`
		Pub         *publication `json:"pub"`
		Unsubscribe *struct{}    `json:"unsubscribe"`
	} `json:"push"`
}

// history is a part of a room's history, in replies to subscribe and history and in the server API.
type history struct {
	Recovered    bool          `json:"recovered"`
	Epoch        string        `json:"epoch"`
	Offset       uint64        `json:"offset"`
	Publications []publication `json:"publications"`
}

type publication struct {
	Offset uint64            `json:"offset"`
	Data   json.RawMessage   `json:"data"`
	Tags   map[string]string `json:"tags"`
}

// id returns the ID of the message in a publication; "" for an event.
func (p *publication) id() string {
	var data struct {
		Text string `json:"text"`
	}
	if p.Tags["event"] != "" || json.Unmarshal(p.Data, &data) != nil {
		return ""
	}
	return data.Text
}

// seen returns the publications as the record has them.
func (h *history) seen() (all []audit.Seen) {
	for i := range h.Publications {
		all = append(all, audit.Seen{Offset: h.Publications[i].Offset, ID: h.Publications[i].id()})
	}
	return all
}

// replies calls f with each reply of a text message.
func replies(text []byte, f func(*reply) error) error {
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		var r reply
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("the server sent %.80q: %w", line, err)
		}
		if err := f(&r); err != nil {
			return err
		}
	}
	return nil
}
