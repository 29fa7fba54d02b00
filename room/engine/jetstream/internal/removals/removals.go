// Package removals keeps a note of the removals of a store while a backup is restored over it, in the stream
// REMOVALS: the restore replaces the State, which has them, and must not forget them if it is interrupted. A removal is an
// entry of the State. The stream has some of them in each message, as JSON lines.
//
// The note counts only if it is complete. So its user writes it, then notes at another place that it counts, and
// deletes it when that note is gone again.
//
// Package removals has no mutex.
package removals

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/streams"
)

// Stream is the name of the stream.
const Stream = "REMOVALS"

const subject = "removals"

// maxMessage is the number of bytes above which a message gets no more entries.
const maxMessage = 256 << 10

// line is an entry in a message.
type line struct {
	Table   string    `json:"table"`
	Of      string    `json:"of"`
	Name    string    `json:"name"`
	Value   []byte    `json:"value"`
	Expires time.Time `json:"expires,omitzero"`
}

// Write makes the note, and replaces one that is there. It returns when the note is on the disk.
func Write(ctx context.Context, o *streams.Opener, all []engine.Entry) error {
	if err := Delete(ctx, o); err != nil {
		return err
	}
	_, err := o.Open(ctx, jetstream.StreamConfig{
		Name:        Stream,
		Description: "webim: removed messages and histories, while a backup is restored",
		Subjects:    []string{subject},
		Storage:     jetstream.FileStorage,
		AllowDirect: true,
	})
	if err != nil {
		return err
	}
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	for i, is := range all {
		if err := to.Encode(line{is.Table, is.Of, is.Name, is.Value, is.Expires}); err != nil {
			return fmt.Errorf("removals: %w", err)
		}
		if text.Len() < maxMessage && i < len(all)-1 {
			continue
		}
		if _, err := o.JS.Publish(ctx, subject, text.Bytes(), jetstream.WithRetryAttempts(0)); err != nil {
			return fmt.Errorf("removals: %w", err)
		}
		text.Reset()
	}
	if _, err := o.JS.Publish(ctx, subject, nil, jetstream.WithRetryAttempts(0)); err != nil { // the end
		return fmt.Errorf("removals: %w", err)
	}
	if o.Sync == nil {
		return nil
	}
	return o.Sync(Stream)
}

// Read reads the note. If there is none, the error is logread.ErrNoStream. It is another logread.ErrUnavailable if the
// server that answers does not have all of it. marked says that the note ends with an empty message, as Write makes it: an older
// webim made none.
func Read(ctx context.Context, read logread.Leader, marked bool) (all []engine.Entry, err error) {
	for seq := uint64(1); ; seq++ {
		one, err := read.Next(ctx, Stream, subject, seq)
		switch {
		case errors.Is(err, logread.ErrNone) && marked:
			return nil, fmt.Errorf("%w: the server that answers does not have the end of the stream %s", logread.ErrUnavailable, Stream)
		case errors.Is(err, logread.ErrNone), err == nil && len(one.Data) == 0:
			return all, nil
		case err != nil:
			return nil, err
		}
		seq = one.Seq
		for from := json.NewDecoder(bytes.NewReader(one.Data)); ; {
			var is line
			err := from.Decode(&is)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("removals: a message of the stream %s: %w", Stream, err)
			}
			all = append(all, engine.Entry{Key: engine.Key{Table: is.Table, Of: is.Of, Name: is.Name}, Value: is.Value, Expires: is.Expires})
		}
	}
}

// Delete deletes the note. It is no error if there is none.
func Delete(ctx context.Context, o *streams.Opener) error {
	err := o.JS.DeleteStream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	return err
}
