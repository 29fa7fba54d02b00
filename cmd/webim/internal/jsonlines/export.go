package jsonlines

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/gobwas/ws"

	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/wire"
)

// format is the version of the lines of an export: see web/docs/storage.md.
const format = 1

// header is the first line.
type header struct {
	Webim  string    `json:"webim"` // "export"
	Format int       `json:"format"`
	Made   time.Time `json:"made"`
	Room   string    `json:"room,omitempty"` // only this room
	User   string    `json:"user,omitempty"` // only this user
}

// line is a message or an event. One of Data, Text and Bytes is set.
type line struct {
	Room     string            `json:"room"`
	Offset   uint64            `json:"offset"`
	Time     time.Time         `json:"time"`
	User     string            `json:"user,omitempty"`
	Client   string            `json:"client,omitempty"`
	ConnInfo json.RawMessage   `json:"conn_info,omitempty"`
	ChanInfo json.RawMessage   `json:"chan_info,omitempty"`
	Data     json.RawMessage   `json:"data,omitempty"`
	Text     *string           `json:"text,omitempty"`
	Bytes    []byte            `json:"bytes,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Event    string            `json:"event,omitempty"` // replaces earlier ones with the same text
}

// Export writes the messages of a store to out, all of them or those of one room or one user; "" means all.
func Export(ctx context.Context, e *jetstream.Engine, out io.Writer, room, user string) error {
	w := bufio.NewWriter(out)
	to := json.NewEncoder(w)
	to.SetEscapeHTML(false)
	if err := to.Encode(header{"export", format, time.Now().UTC(), room, user}); err != nil {
		return err
	}
	err := e.ExportRooms(ctx, room, func(room string, p engine.Publication) error {
		if user != "" && (p.From == nil || p.From.User != user) {
			return nil
		}
		return to.Encode(lineOf(room, &p))
	})
	return errors.Join(err, w.Flush())
}

// lineOf returns the line of a publication.
func lineOf(room string, p *engine.Publication) *line {
	l := &line{Room: room, Offset: p.Offset, Time: p.Time.UTC(), Tags: p.Tags, Event: p.CompactKey}
	if p.From != nil {
		l.User, l.Client, l.ConnInfo, l.ChanInfo = p.From.User, p.From.Client, jsonOr(p.From.ConnInfo), jsonOr(p.From.ChanInfo)
	}
	switch {
	case p.Op == engine.OpJSON && wire.Valid(p.Data):
		l.Data = p.Data
	case p.Op == ws.OpText:
		text := string(p.Data)
		l.Text = &text
	default:
		l.Bytes = p.Data
	}
	return l
}

// jsonOr returns JSON that an engine has stored, or nothing if it is none.
func jsonOr(b []byte) json.RawMessage {
	if len(b) > 0 && wire.Valid(b) {
		return b
	}
	return nil
}
