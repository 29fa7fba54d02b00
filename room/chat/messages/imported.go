package messages

import (
	"context"
	"strconv"
	"time"

	"webim/room/chat/store"
	"webim/room/engine"
)

// Imported writes down what an imported event says of the message that it is about, as the call did that has made the
// event: which edits the message has, and which reactions. offset is that of the event. Later events are imported
// later.
func Imported(ctx context.Context, e engine.Engine, room string, event *engine.Message, offset uint64, message Ref, keep time.Duration) error {
	if event.From == nil {
		return nil
	}
	s, expires := store.New(e), time.Time{}
	if keep > 0 && keep != engine.Forever {
		expires = time.Now().Add(keep)
	}
	reaction := ReactionID{room, message, event.Tags[TagEmoji], Owner(*event.From)}.Key()
	switch event.Tags[engine.TagEvent] {
	case engine.EventEdit:
		return store.ChangeEntry(ctx, s, revisionKey(room, message), func(r *revision, e *engine.Entry) bool {
			r.Edits = append(r.Edits, offset)
			r.Edits = r.Edits[max(0, len(r.Edits)-MaxEdits):]
			e.Expires = expires
			return true
		})
	case EventReact:
		_, err := s.Put(ctx, engine.Entry{Key: reaction, Version: engine.AnyVersion, Value: strconv.AppendInt(nil, time.Now().UnixNano(), 10), Expires: expires})
		return err
	case EventUnreact:
		return s.Delete(ctx, reaction, engine.AnyVersion)
	}
	return nil
}
