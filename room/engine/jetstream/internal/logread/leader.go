package logread

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
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

// get makes a request, as soon as there is a slot for it.
func (l Leader) get(ctx context.Context, stream, query string) (Stored, error) {
	ctx, release, err := l.r.slot(ctx)
	if err != nil {
		return Stored{}, err
	}
	defer release()
	m, err := l.r.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, []byte(query))
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string `json:"subject"`
			Seq     uint64 `json:"seq"`
			Data    []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return Stored{}, fmt.Errorf("logread: an answer of the server is no JSON: %w", err)
	}
	switch e := answer.Error; {
	case e == nil:
		return Stored(answer.Message), nil
	case e.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return Stored{}, ErrNone
	case e.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		return Stored{}, ErrNoStream
	default:
		return Stored{}, fmt.Errorf("%w: %w", ErrUnavailable, e)
	}
}
