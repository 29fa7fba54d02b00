package jsonlines

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strconv"

	"github.com/gobwas/ws"

	"webim/room/chat/messages"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/wire"
)

// Import reads an export from in into the store, and returns the numbers n of messages, and of rooms. keep returns how long
// a room keeps its messages. Each room must be empty. After an error, the messages before it are imported.
func Import(ctx context.Context, e *jetstream.Engine, keep func(room string) engine.Retention, in io.Reader) (n, rooms int, err error) {
	i := &importer{engine: e, keep: keep, rooms: map[string]bool{}, moved: map[place]messages.Ref{}}
	n, err = i.all(ctx, in)
	return n, len(i.rooms), err
}

// importer reads an export into a store. Messages get new offsets, and each reference to a message gets the new one.
type importer struct {
	engine *jetstream.Engine
	keep   func(room string) engine.Retention
	rooms  map[string]bool        // that were empty before
	moved  map[place]messages.Ref // the last messages, as they are now
	order  []place                // of moved
}

// place is an offset in an export.
type place struct {
	room   string
	offset uint64
}

// maxMoved is the number of messages to which later lines can refer.
const maxMoved = 1 << 20

// all imports all lines, and returns their number.
func (i *importer) all(ctx context.Context, in io.Reader) (n int, err error) {
	from := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	var h header
	switch err := from.Decode(&h); {
	case err != nil || h.Webim != "export":
		return 0, errors.New("this is no export of webim")
	case h.Format != format:
		return 0, fmt.Errorf("the export has the format %d, and this webim reads %d", h.Format, format)
	case h.User != "":
		return 0, errors.New("this is the export of a user, which is for reading: its messages are parts of rooms that others have, too")
	}
	for ctx.Err() == nil {
		var l line
		switch err := from.Decode(&l); {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, fmt.Errorf("line %d: %w", n+2, err)
		}
		if err := i.one(ctx, &l); err != nil {
			return n, fmt.Errorf("line %d: %w", n+2, err)
		}
		n++
	}
	return n, ctx.Err()
}

// one imports one line.
func (i *importer) one(ctx context.Context, l *line) error {
	m, err := l.message()
	if err == nil {
		err = i.mayImport(ctx, l.Room)
	}
	if err != nil {
		return err
	}
	i.refer(l.Room, m.Tags, messages.TagReply)
	of, isEvent := i.refer(l.Room, m.Tags, engine.TagOf)
	pos, err := i.engine.ImportMessage(l.Room, m, l.Time)
	if err != nil {
		return err
	}
	if isEvent {
		if err := messages.Imported(ctx, i.engine, l.Room, &m, pos.Offset, of, i.keep(l.Room).Age); err != nil {
			return err
		}
	}
	if len(i.order) == maxMoved {
		delete(i.moved, i.order[0])
		i.order = i.order[1:]
	}
	at := place{l.Room, l.Offset}
	i.moved[at], i.order = messages.Ref{Offset: pos.Offset, Time: l.Time.UnixNano()}, append(i.order, at)
	return nil
}

// refer gives a tag that names a message the new offset, and returns that message. If it is not known, the tag goes.
func (i *importer) refer(room string, tags map[string]string, tag string) (is messages.Ref, known bool) {
	old, err := strconv.ParseUint(tags[tag], 10, 64)
	if is, known = i.moved[place{room, old}]; err == nil && known {
		tags[tag] = messages.Number(is.Offset)
	} else {
		delete(tags, tag)
	}
	return is, known && err == nil
}

// mayImport checks that a room had no messages before: importing twice would double them.
func (i *importer) mayImport(ctx context.Context, room string) error {
	if i.rooms[room] {
		return nil
	}
	if name, err := wire.RoomName(room); err != nil || name != room {
		return errors.Join(err, fmt.Errorf("%q is no name of a room", room))
	}
	errThere := fmt.Errorf("the room %q has messages, and nothing of it was imported: an import goes into rooms without messages", room)
	err := i.engine.ExportRooms(ctx, room, func(string, engine.Publication) error { return errThere })
	i.rooms[room] = err == nil
	return err
}

// message returns the message of a line.
func (l *line) message() (m engine.Message, err error) {
	m = engine.Message{Tags: maps.Clone(l.Tags), CompactKey: l.Event}
	switch {
	case l.Data != nil && l.Text == nil && l.Bytes == nil && wire.Valid(l.Data):
		m.Op, m.Data = engine.OpJSON, l.Data
	case l.Text != nil && l.Data == nil && l.Bytes == nil:
		m.Op, m.Data = ws.OpText, []byte(*l.Text)
	case l.Data == nil && l.Text == nil:
		m.Op, m.Data = ws.OpBinary, l.Bytes
	default:
		return m, errors.New("it has more than one of data, text and bytes, or data is no JSON")
	}
	if l.Time.IsZero() {
		return m, errors.New("it has no time")
	}
	if l.User != "" || l.Client != "" {
		m.From = &engine.Author{User: l.User, Client: l.Client, ConnInfo: l.ConnInfo, ChanInfo: l.ChanInfo}
	}
	return m, nil
}
