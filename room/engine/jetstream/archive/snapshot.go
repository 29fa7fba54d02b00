package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// chunkSize is the number of bytes of a snapshot in one message, and chunkTime how long one may take.
const (
	chunkSize = 512 << 10
	chunkTime = 30 * time.Second
)

// apiError is an error of the server.
type apiError struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string { return e.Description }

// description is the part of a server's answer to a request for a snapshot that it needs to restore the stream.
type description struct {
	Config json.RawMessage `json:"config"`
	State  json.RawMessage `json:"state"`
}

// errBehind: the server that has made a snapshot was behind the others.
var errBehind = errors.New("the server that has answered lacks the newest messages: try again")

// reaches returns an error if a snapshot does not have the messages up to a sequence.
func (d *description) reaches(seq uint64) error {
	var state struct {
		LastSeq uint64 `json:"last_seq"`
	}
	if err := json.Unmarshal(d.State, &state); err != nil {
		return fmt.Errorf("the description of a snapshot cannot be read: %w", err)
	}
	if state.LastSeq < seq {
		return errBehind
	}
	return nil
}

// request sends a request to JetStream, and decodes the answer.
func request(ctx context.Context, nc *nats.Conn, what string, query, answer any) error {
	data, err := json.Marshal(query)
	if err != nil {
		return err
	}
	m, err := nc.RequestWithContext(ctx, "$JS.API."+what, data)
	if err != nil {
		return fmt.Errorf("the store does not answer: %w", err)
	}
	return decodeAnswer(m.Data, answer)
}

func decodeAnswer(data []byte, answer any) error {
	var failed struct {
		Error *apiError `json:"error"`
	}
	if err := errors.Join(json.Unmarshal(data, &failed), json.Unmarshal(data, answer)); err != nil {
		return fmt.Errorf("an answer of the store cannot be read: %w", err)
	}
	if failed.Error != nil {
		return failed.Error
	}
	return nil
}

// takeSnapshot writes a snapshot of a stream to w.
func takeSnapshot(ctx context.Context, nc *nats.Conn, stream string, w io.Writer) (d description, err error) {
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return d, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	query := map[string]any{"deliver_subject": inbox, "no_consumers": true, "chunk_size": chunkSize}
	if err := request(ctx, nc, "STREAM.SNAPSHOT."+stream, query, &d); err != nil {
		return d, err
	}
	for {
		next, cancel := context.WithTimeout(ctx, chunkTime)
		m, err := sub.NextMsgWithContext(next)
		cancel()
		if err != nil {
			return d, fmt.Errorf("the snapshot does not arrive: %w", err)
		}
		if len(m.Data) == 0 { // the end
			if status := m.Header.Get("Status"); status != "" && !strings.HasPrefix(status, "2") {
				return d, fmt.Errorf("the snapshot failed: %s", m.Header.Get("Description"))
			}
			return d, nil
		}
		if _, err := w.Write(m.Data); err != nil {
			return d, err
		}
		if m.Reply != "" {
			if err := m.Respond(nil); err != nil {
				return d, err
			}
		}
	}
}

// putSnapshot makes a stream from a snapshot. There must be no stream with the same name.
func putSnapshot(ctx context.Context, nc *nats.Conn, stream string, d description, r io.Reader) error {
	var begun struct {
		To string `json:"deliver_subject"`
	}
	if err := request(ctx, nc, "STREAM.RESTORE."+stream, d, &begun); err != nil {
		return err
	}
	chunk := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(r, chunk)
		if n > 0 {
			if err := putChunk(ctx, nc, begun.To, chunk[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return putChunk(ctx, nc, begun.To, nil)
		case err != nil:
			return err
		}
	}
}

// putChunk sends a part of a snapshot; none is the end.
func putChunk(ctx context.Context, nc *nats.Conn, to string, chunk []byte) error {
	patience := chunkTime
	if len(chunk) == 0 {
		patience = 10 * time.Minute // the server indexes the messages
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := nc.RequestWithContext(ctx, to, chunk)
	if err != nil {
		return fmt.Errorf("the store does not take the snapshot: %w", err)
	}
	if len(m.Data) == 0 {
		return nil
	}
	var made struct{}
	return decodeAnswer(m.Data, &made)
}
