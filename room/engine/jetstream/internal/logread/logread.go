package logread

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// The errors of this package.
var (
	// ErrNone: there is no such message.
	ErrNone = errors.New("logread: no such message")
	// ErrUnavailable: the server cannot be reached, or does not answer in time.
	ErrUnavailable = errors.New("logread: the server does not answer")
)

// Stored is a message of a stream.
type Stored struct {
	Subject string
	Seq     uint64
	Data    []byte
}

// Config are the settings of a Reader. Zero values mean the defaults.
type Config struct {
	Parallel int           // requests under way; 0: 64
	Timeout  time.Duration // for each request; 0: 5 s
	// Sole, if not nil, says that there is one server, which is in this process: then Leader.Prove only asks whether it has an
	// error.
	Sole  func() error
	Empty func() bool // tests only: reports whether a server answers that has nothing of the log; nil: no
}

// Reader reads streams over one connection. All methods are safe for concurrent use.
type Reader struct {
	nc    *nats.Conn
	cfg   Config
	slots chan struct{}

	mu      sync.Mutex         // innermost
	provers map[string]*prover // by stream
}

// New makes a reader.
func New(nc *nats.Conn, cfg Config) *Reader {
	cfg.Parallel, cfg.Timeout = cmp.Or(cfg.Parallel, 64), cmp.Or(cfg.Timeout, 5*time.Second)
	return &Reader{nc: nc, cfg: cfg, slots: make(chan struct{}, cfg.Parallel), provers: map[string]*prover{}}
}

// Last returns the newest message of a subject.
func (r *Reader) Last(ctx context.Context, stream, subject string) (Stored, error) {
	return r.get(ctx, stream, fmt.Sprintf(`{"last_by_subj":%q}`, subject))
}

// Next returns the first message of a subject that has this sequence or a higher one.
func (r *Reader) Next(ctx context.Context, stream, subject string, seq uint64) (Stored, error) {
	return r.get(ctx, stream, fmt.Sprintf(`{"seq":%d,"next_by_subj":%q}`, seq, subject))
}

// At returns the message with this sequence.
func (r *Reader) At(ctx context.Context, stream string, seq uint64) (Stored, error) {
	if seq == 0 {
		return Stored{}, ErrNone
	}
	return r.get(ctx, stream, fmt.Sprintf(`{"seq":%d}`, seq))
}

// Count returns how many messages of a subject have this sequence or a higher one. It takes some
// milliseconds.
func (r *Reader) Count(ctx context.Context, stream, subject string, seq uint64) (int, error) {
	m, err := r.request(ctx, stream, fmt.Sprintf(`{"seq":%d,"next_by_subj":%q,"batch":1}`, seq, subject))
	if errors.Is(err, ErrNone) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	after, err := strconv.Atoi(m.Header.Get("Nats-Num-Pending"))
	if err != nil {
		return 0, fmt.Errorf("logread: an answer without a count: %w", err)
	}
	return after + 1, nil
}

// get makes a request, and returns the first message of the answer.
func (r *Reader) get(ctx context.Context, stream, query string) (Stored, error) {
	m, err := r.request(ctx, stream, query)
	if err != nil {
		return Stored{}, err
	}
	return stored(m)
}

// stored reads a message of an answer.
func stored(m *nats.Msg) (Stored, error) {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return Stored{}, fmt.Errorf("logread: an answer without a sequence: %w", err)
	}
	return Stored{Subject: m.Header.Get("Nats-Subject"), Seq: seq, Data: m.Data}, nil
}

// slot waits for a slot. The context limits the request; release gives the slot back.
func (r *Reader) slot(ctx context.Context) (limited context.Context, release func(), err error) {
	if !r.nc.IsConnected() {
		return nil, nil, ErrUnavailable // the library could wait for the connection
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Timeout)
	return ctx, func() {
		cancel()
		<-r.slots
	}, nil
}

// request makes a request, as soon as there is a slot for it.
func (r *Reader) request(ctx context.Context, stream, query string) (*nats.Msg, error) {
	ctx, release, err := r.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if r.cfg.Empty != nil && r.cfg.Empty() {
		return nil, ErrNone
	}
	m, err := r.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream, []byte(query))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if m.Header.Get("Status") != "" {
		return nil, statusError(m)
	}
	return m, nil
}

// statusError returns the error for an answer with a status.
func statusError(m *nats.Msg) error {
	status := m.Header.Get("Status")
	if status == "404" {
		return ErrNone
	}
	return fmt.Errorf("logread: the server answers %s %s", status, m.Header.Get("Description"))
}
