package logread

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/codes"
)

// ErrNoStream: there is no such stream. It is an ErrUnavailable, and only a Leader tells so.
var ErrNoStream = fmt.Errorf("%w: there is no such stream", ErrUnavailable)

// A Leader reads like its Reader, except that only the leader of a stream answers. Any server answers a Reader, also one
// that is behind: so from a Reader, ErrNone does not say that a message was never stored, or is gone. The leader has more work
// with a request, so a Leader is for callers that must not miss a message.
type Leader struct{ r *Reader }

// Leader returns a Leader with the same settings, which shares the limit of requests.
func (r *Reader) Leader() Leader { return Leader{r} }

// Last returns the newest message of a subject.
func (l Leader) Last(ctx context.Context, stream, subject string) (Stored, error) {
	return l.get(ctx, stream, fmt.Sprintf(`{"last_by_subj":%q}`, subject))
}

// Next returns the first message of a subject that has this sequence or a higher one.
func (l Leader) Next(ctx context.Context, stream, subject string, seq uint64) (Stored, error) {
	return l.get(ctx, stream, fmt.Sprintf(`{"seq":%d,"next_by_subj":%q}`, seq, subject))
}

// At returns the message with this sequence.
func (l Leader) At(ctx context.Context, stream string, seq uint64) (Stored, error) {
	if seq == 0 {
		return Stored{}, ErrNone
	}
	return l.get(ctx, stream, fmt.Sprintf(`{"seq":%d}`, seq))
}

func (l Leader) get(ctx context.Context, stream, query string) (Stored, error) {
	var answer struct {
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	err := l.ask(ctx, "$JS.API.STREAM.MSG.GET."+stream, query, &answer)
	return Stored(answer.Message), err
}

// ask makes a request whose answer is JSON, as soon as there is a slot for it.
func (l Leader) ask(ctx context.Context, subject, query string, answer any) error {
	ctx, release, err := l.r.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	m, err := l.r.nc.RequestWithContext(ctx, subject, []byte(query))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var refused struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := errors.Join(json.Unmarshal(m.Data, &refused), json.Unmarshal(m.Data, answer)); err != nil {
		return fmt.Errorf("%w: an answer of the server is no JSON: %w", ErrUnavailable, err)
	}
	switch e := refused.Error; {
	case e == nil:
		return nil
	case e.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return ErrNone
	case e.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return ErrNoStream
	case codes.IsFull(e.ErrorCode):
		return fmt.Errorf("%w: %w", ErrFull, e)
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, e)
	}
}
