package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codes"
	"webim/room/engine/jetstream/internal/jobs"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
)

// Stream is the name of the stream.
const Stream = "KEYS"

// prefix begins the subjects of keys.
const prefix = "key."

// markers are those of the stream.
var markers = subject.Markers{Prefix: prefix}

// Config configures a Store. Zero values mean the defaults.
type Config struct {
	Replicas int           // of the stream; 0: 1
	Fixed    bool          // leave the settings of the stream as they are
	Parallel int           // requests under way; 0: 32
	MaxShare int           // keys of a group of payers; 0: 500,000
	Timeout  time.Duration // for each request, with the time that it waits for others; 0: 5 s
	Sole     func() error  // see logread.Config
	Log      *slog.Logger  // nil: slog.Default()

	// Commit, if not nil, calls done when all that is in a stream now is on the disk:
	// embedded.Server.Commit. A key is used, or counts as deleted, only after that.
	Commit func(stream string, done func(error))
	// Sync is that of streams.Opener.
	Sync func(stream string) error
}

var _ seal.Store = (*Store)(nil)

// Store implements seal.Store. All methods are safe for concurrent use. If the server cannot be reached, the errors are
// engine.ErrUnavailable; if it has not answered a change, engine.ErrUnknown; if it has no space, engine.ErrStoreFull.
type Store struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	leader logread.Leader // another replica could lag behind, and bring a deleted key back
	opener streams.Opener
	stream jetstream.Stream
	cfg    Config
	jobs   *jobs.Pool
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	incarnation atomic.Pointer[string] // of the stream; stored by Open and Reopen, which do not overlap
	known       streams.Known          // the sequences of keys that this node knows of
	further     atomic.Uint64          // the highest number of a key, which never becomes less: see backup.go
	groups      groups

	doubts  atomic.Uint64 // calls of Doubt
	settled atomic.Uint64 // doubts for which there is a proof
	deleted atomic.Uint64 // doubts for which there is the weaker one of a stream without space
}

// Open finds or makes the stream.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*Store, error) {
	cfg.Replicas, cfg.Parallel, cfg.Timeout = cmp.Or(cfg.Replicas, 1), cmp.Or(cfg.Parallel, 32), cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.MaxShare = cmp.Or(cfg.MaxShare, MaxKeys/4)
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	opener := streams.Opener{JS: js, Log: cmp.Or(cfg.Log, slog.Default()), Replicas: cfg.Replicas, Fixed: cfg.Fixed, Sync: cfg.Sync}
	leader := logread.New(nc, logread.Config{Timeout: cfg.Timeout, Sole: cfg.Sole}).Leader()
	s := &Store{nc: nc, js: js, leader: leader, opener: opener, cfg: cfg, jobs: jobs.New(cfg.Parallel)}
	if s.stream, err = s.find(ctx); err != nil {
		s.jobs.Close()
		return nil, err
	}
	s.incarnation.Store(new(streams.Incarnation(s.stream)))
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Reopen finds the stream again, or makes it, after the connection or the stream was lost. lost says that the
// stream lacks keys that this node may know.
func (s *Store) Reopen(ctx context.Context) (lost bool, err error) {
	stream, err := s.find(ctx)
	if err != nil {
		return false, err
	}
	if lost = streams.Incarnation(stream) != s.Incarnation(); lost {
		s.groups.forget()
		s.incarnation.Store(new(streams.Incarnation(stream)))
	}
	return lost, nil
}

// find finds or makes the stream. Afterwards another server may answer, or others may have deleted keys.
func (s *Store) find(ctx context.Context) (jetstream.Stream, error) {
	s.Doubt()
	var end streams.End
	if s.cfg.Sole == nil {
		end = s.end
	}
	stream, _, err := s.opener.OpenKnown(ctx, streamConfig(), &s.known, end)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	raise(&s.further, further(stream)) // a server that is behind may not know of further keys
	return stream, nil
}

// end is a streams.End.
func (s *Store) end(ctx context.Context) (uint64, error) {
	last, err := s.leader.End(ctx, Stream, markers)
	return last, fault(err)
}

// Known returns what this node knows of the sequences of the stream.
func (s *Store) Known() *streams.Known { return &s.known }

// Incarnation returns the incarnation of the stream when it was opened.
func (s *Store) Incarnation() string { return *s.incarnation.Load() }

// knowing returns a function that notes the sequence of a key in an answer. It is called before the request: when the answer comes, the
// stream may have been made anew, and its sequences begin again.
func (s *Store) knowing() (note func(seq uint64)) {
	incarnation := s.Incarnation()
	return func(seq uint64) { s.known.See(incarnation, seq) }
}

// MaxKeys is the maximum number of keys: above it, there is no space for those of new users. They take some 130 bytes each
// on the disk.
const MaxKeys = 2_000_000

func streamConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 Stream,
		Description:          "webim: the keys with which the messages of users are sealed",
		Subjects:             []string{prefix + "*"},
		Storage:              jetstream.FileStorage,
		MaxMsgs:              MaxKeys,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    1,
	}
}

// Close ends requests that are under way. Their callbacks may still come, or never.
func (s *Store) Close() {
	s.cancel()
	s.jobs.Close()
}

// do runs a request as a job. The time for the request begins now: if others do not get an answer, it does not wait behind
// them for longer than that, and refuse gets engine.ErrUnavailable without a request.
func (s *Store) do(refuse func(error), f func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	s.jobs.Go(func() {
		defer cancel()
		if ctx.Err() != nil || !s.nc.IsConnected() {
			refuse(engine.ErrUnavailable)
			return
		}
		f(ctx)
	})
}

// Get reads a key: see seal.Store. If it is not proved that there is no key, the error is engine.ErrUnavailable and
// seal.ErrUnproven.
func (s *Store) Get(user string, id uint64, sure bool, done func(record []byte, own bool, err error)) {
	read := s.newest
	if sure {
		read = s.sure
	}
	s.do(func(err error) { done(nil, true, err) }, func(ctx context.Context) {
		if err := s.settle(ctx); err != nil {
			done(nil, true, err)
			return
		}
		own, err := read(ctx, subjectOf(user, 0))
		if is, _ := seal.RecordID(own.Data); err != nil || id == 0 || is == id {
			done(own.Data, true, err)
			return
		}
		for _, name := range s.subjects(user)[1:] {
			m, err := read(ctx, name)
			if is, ok := seal.RecordID(m.Data); err != nil || ok && is == id {
				done(m.Data, false, err)
				return
			}
		}
		done(own.Data, true, nil)
	})
}

// newest returns the key with a subject. If there is none, its Seq is 0.
func (s *Store) newest(ctx context.Context, name string) (logread.Stored, error) {
	return s.found(func() (logread.Stored, error) { return s.leader.Last(ctx, Stream, name) })
}

// found notes the sequence of a message that the leader of the stream returns. If there is none, its Seq is 0.
func (s *Store) found(read func() (logread.Stored, error)) (logread.Stored, error) {
	note := s.knowing()
	m, err := read()
	if errors.Is(err, logread.ErrNone) {
		return logread.Stored{}, nil
	}
	note(m.Seq)
	return m, fault(err)
}

// fault returns the error of a read for the caller.
func fault(err error) error {
	if errors.Is(err, logread.ErrUnavailable) {
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return err
}

// Each calls f with the keys of each user, and ends with its first error. The error is ErrUnavailable if it is not certain that
// there are no more keys. It may wait, and so may f.
func (s *Store) Each(ctx context.Context, f func(user string, record []byte) error) error {
	for seq := uint64(1); ; {
		m, err := s.leader.Sure(ctx, Stream, markers, func() (logread.Stored, error) { return s.leader.Next(ctx, Stream, prefix+"*", seq) })
		if errors.Is(err, logread.ErrNone) {
			return nil
		}
		if err != nil {
			return fault(err)
		}
		if seq = m.Seq + 1; markers.Has(m.Subject) {
			continue
		}
		user, err := userOf(m.Subject)
		if err == nil {
			err = f(user, m.Data)
		}
		if err != nil {
			return err
		}
	}
}

// Create stores a key if the user has none: see seal.Store. mark is a result of Mark, or "".
func (s *Store) Create(user string, record []byte, mark string, done func(created bool, err error)) {
	s.do(func(err error) { done(false, err) }, func(ctx context.Context) {
		created, err := s.create(ctx, subjectOf(user, 0), record, mark)
		if !created {
			done(false, err)
			return
		}
		s.commit(nil, func(err error) { done(err == nil, err) })
	})
}

// create stores a key if there is none with this subject.
func (s *Store) create(ctx context.Context, name string, record []byte, mark string) (created bool, err error) {
	m := &nats.Msg{Subject: name, Data: record}
	if mark != "" {
		m.Header = nats.Header{hdrGroup: []string{mark}}
	}
	note := s.knowing()
	ack, err := s.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithRetryAttempts(0))
	switch {
	case codes.IsWrongSequence(codes.Of(err)):
		return false, nil
	case err != nil:
		return false, changeError(err)
	}
	note(ack.Sequence)
	return true, nil
}

// Delete deletes the keys of a user: see seal.Store.
func (s *Store) Delete(user string, done func(error)) {
	s.deleteIf(user, func([]byte) bool { return true }, done)
}

// commit calls done with err, or, if that is nil, when the stream is on the disk.
func (s *Store) commit(err error, done func(error)) {
	if err != nil || s.cfg.Commit == nil {
		done(err)
		return
	}
	s.cfg.Commit(Stream, done)
}
