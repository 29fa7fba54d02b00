package logread

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// A server that says that there is no such message may be wrong: another server leads the stream, and this one has not noticed it yet, or it could
// not store the message because its disk is full. Where something is lost for good if that is believed, a proof comes first: the node stores a
// message of its own in the stream, the marker, and reads it back. A server that has the marker has everything that was acknowledged before it.

// ErrFull: the stream has no space for the marker. It is an ErrUnavailable.
var ErrFull = fmt.Errorf("%w: there is no space for a marker", ErrUnavailable)

// codesFull are the codes of the server that say so, of a stream, an account or a server.
var codesFull = []jetstream.ErrorCode{10023, 10047, 10077}

// Marker returns a new subject for a marker. No name gives a subject with the same prefix that begins so: see package subject.
func Marker(prefix string) string { return prefix + "=proof-" + rand.Text()[:12] }

// Sure calls read. If that returns ErrNone, it proves that the server which answers has everything that was acknowledged before, and calls read again.
// marker is a subject of the stream: see Marker.
func (l Leader) Sure(ctx context.Context, stream, marker string, read func() (Stored, error)) (Stored, error) {
	one, err := read()
	if !errors.Is(err, ErrNone) {
		return one, err
	}
	if err := l.Prove(ctx, stream, marker); err != nil {
		return Stored{}, err
	}
	return read()
}

// Prove returns nil if the server that answers has everything that was acknowledged before the call. The error is ErrUnavailable if that is not certain, and ErrFull if the
// stream has no space for the marker.
func (l Leader) Prove(ctx context.Context, stream, marker string) error {
	if l.r.cfg.Sole != nil {
		if err := l.r.cfg.Sole(); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return nil
	}
	var stored struct {
		Stream string `json:"stream"`
		Seq    uint64 `json:"seq"`
	}
	if err := l.ask(ctx, marker, nil, &stored); err != nil {
		return fmt.Errorf("logread: storing the marker in the stream %s: %w", stream, err)
	}
	one, err := l.At(ctx, stream, stored.Seq)
	if errors.Is(err, ErrNone) || err == nil && one.Subject != marker || stored.Stream != stream {
		return fmt.Errorf("%w: the server that answers for the stream %s does not have the marker %d", ErrUnavailable, stream, stored.Seq)
	}
	if err != nil {
		return err
	}
	query := fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, stored.Seq)
	_ = l.ask(ctx, "$JS.API.STREAM.MSG.DELETE."+stream, query, &struct{}{}) // otherwise it stays, and means nothing
	return nil
}

// ask makes a request whose answer is JSON, as soon as there is a slot for it.
func (l Leader) ask(ctx context.Context, subject string, query []byte, answer any) error {
	ctx, release, err := l.r.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	m, err := l.r.nc.RequestWithContext(ctx, subject, query)
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
	case e != nil && slices.Contains(codesFull, e.ErrorCode):
		return fmt.Errorf("%w: %w", ErrFull, e)
	case e != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, e)
	}
	return nil
}
