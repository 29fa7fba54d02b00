// Package keys stores the keys of users in a stream of JetStream: it is the Store of package seal.
//
// The stream KEYS has one message for each user who has a key, with the subject "key." and the token of the
// user. The server accepts a key only if the subject has no message, so nodes that make a key at the same time
// agree on one.
//
// # Deleting
//
// A key is deleted with the server's secure delete: the server writes the file of the message anew, with random
// bytes in its place, before it answers. So the key is gone from the files of an embedded store. There are three
// limits:
//
//   - If the server ends, or cannot write, in the middle of a deletion, it takes the message for deleted when it
//     starts again, but the bytes may stay in the file until the server compacts it.
//   - In a cluster with replicas, each replica has the message also in its Raft log until the next snapshot.
//   - A replica that is away deletes the message when it comes back.
//
// Messages are sealed in other streams than this one, so a backup of the log can leave the keys out.
//
// # Rules
//
//   - Methods never block: requests run as jobs (package jobs), Config.Parallel at a time, because the server drops
//     all requests that wait when they are too many.
//   - No request is repeated.
//   - Nothing here logs a key, and no error holds one.
//
// Package keys has no mutex.
package keys

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/jobs"
	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/internal/subject"
)

// Stream is the name of the stream.
const Stream = "KEYS"

// The version of the stored format is in the stream's metadata.
const (
	metaFormat = "webim-format"
	format     = 1
)

// ErrFormat: the stream has a newer format than this program knows.
var ErrFormat = errors.New("keys: the stream KEYS was written by a newer webim: use that one")

// Config configures a Store. Zero values mean the defaults.
type Config struct {
	Replicas int           // of the stream; 0: 1
	Parallel int           // requests under way; 0: 32
	Timeout  time.Duration // for each request; 0: 5 s

	// Commit, if not nil, calls done when all that is in a stream now is on the disk:
	// embedded.Server.Commit. A key is used, or counts as deleted, only after that.
	Commit func(stream string, done func(error))
}

var _ seal.Store = (*Store)(nil)

// Store implements seal.Store. All methods are safe for concurrent use. If the server cannot be reached, the errors are
// engine.ErrUnavailable; if it has not answered a change, engine.ErrUnknown; if it has no space, engine.ErrStoreFull.
type Store struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	cfg    Config
	jobs   *jobs.Pool
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
}

// Open finds or makes the stream.
func Open(ctx context.Context, nc *nats.Conn, cfg Config) (*Store, error) {
	cfg.Replicas, cfg.Parallel, cfg.Timeout = cmp.Or(cfg.Replicas, 1), cmp.Or(cfg.Parallel, 32), cmp.Or(cfg.Timeout, 5*time.Second)
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	stream, err := js.Stream(ctx, Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, streamConfig(cfg.Replicas))
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was first
			stream, err = js.Stream(ctx, Stream)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keys: opening the stream %s: %w", Stream, err)
	}
	is := stream.CachedInfo().Config.Metadata[metaFormat]
	if v, err := strconv.Atoi(is); err != nil || v > format {
		return nil, fmt.Errorf("%w: its format is %q", ErrFormat, is)
	}
	s := &Store{nc: nc, js: js, stream: stream, cfg: cfg, jobs: jobs.New(cfg.Parallel)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

func streamConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 Stream,
		Description:          "webim: the keys with which the messages of users are sealed",
		Subjects:             []string{"key.*"},
		Storage:              jetstream.FileStorage,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    1,
		Replicas:             replicas,
		Metadata:             map[string]string{metaFormat: strconv.Itoa(format)},
	}
}

// Close ends requests that are under way. Their callbacks may still come, or never.
func (s *Store) Close() {
	s.cancel()
	s.jobs.Close()
}

func subjectOf(user string) string { return "key." + subject.Token(user) }

// do runs a request as a job.
func (s *Store) do(f func(ctx context.Context)) {
	s.jobs.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
		defer cancel()
		f(ctx)
	})
}

// Get reads a key: see seal.Store. The leader of the stream answers: another replica could lag behind, and bring a
// deleted key back.
func (s *Store) Get(user string, done func(record []byte, err error)) {
	s.do(func(ctx context.Context) {
		record, _, err := s.newest(ctx, user)
		done(record, err)
	})
}

// newest asks the leader of the stream for a key, and the sequence of its message. The key is nil if there is none.
func (s *Store) newest(ctx context.Context, user string) (record []byte, seq uint64, err error) {
	query, err := json.Marshal(map[string]string{"last_by_subj": subjectOf(user)})
	if err != nil {
		return nil, 0, err
	}
	if !s.nc.IsConnected() {
		return nil, 0, engine.ErrUnavailable
	}
	m, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+Stream, query)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Seq  uint64 `json:"seq"`
			Data []byte `json:"data"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return nil, 0, fmt.Errorf("keys: an answer of the server is no JSON: %w", err)
	}
	switch e := answer.Error; {
	case e == nil:
		return answer.Message.Data, answer.Message.Seq, nil
	case e.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, 0, nil
	default:
		return nil, 0, fmt.Errorf("%w: %w", engine.ErrUnavailable, e)
	}
}

// Create stores a key if the user has none: see seal.Store.
func (s *Store) Create(user string, record []byte, done func(created bool, err error)) {
	s.do(func(ctx context.Context) {
		if !s.nc.IsConnected() {
			done(false, engine.ErrUnavailable)
			return
		}
		_, err := s.js.Publish(ctx, subjectOf(user), record, jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithRetryAttempts(0))
		if isConflict(err) {
			done(false, nil)
			return
		}
		s.commit(changeError(err), func(err error) { done(err == nil, err) })
	})
}

// Delete deletes the key of a user: see seal.Store.
func (s *Store) Delete(user string, done func(error)) {
	s.do(func(ctx context.Context) {
		record, seq, err := s.newest(ctx, user)
		if err != nil {
			done(err)
			return
		}
		if record != nil {
			err = s.erase(ctx, seq)
		}
		s.commit(err, done) // also if there is none: another node may have deleted it just now
	})
}

// erase deletes a message securely.
func (s *Store) erase(ctx context.Context, seq uint64) error {
	if !s.nc.IsConnected() {
		return engine.ErrUnavailable
	}
	err := s.stream.SecureDeleteMsg(ctx, seq)
	if isGone(err) {
		return nil // another node was first
	}
	return changeError(err)
}

// commit calls done with err, or, if that is nil, when the stream is on the disk.
func (s *Store) commit(err error, done func(error)) {
	if err != nil || s.cfg.Commit == nil {
		done(err)
		return
	}
	s.cfg.Commit(Stream, done)
}

// The codes of nats-server for which the library has no name.
const (
	codeNoSequence   = 10043 // the message to delete is not there
	codeNoResources  = 10023 // the account or the server has no space
	codeStoreFailed  = 10077 // the stream has no space
	codeDeleteFailed = 10057 // the message was perhaps deleted
)

// isConflict reports whether a user has a key already.
func isConflict(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// isGone reports whether a message to delete is not there any more.
func isGone(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) && (e.ErrorCode == codeNoSequence || e.ErrorCode == jetstream.JSErrCodeMessageNotFound)
}

// changeError returns the error of a change for the caller.
func changeError(err error) error {
	var e *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e) && (e.ErrorCode == codeNoResources || e.ErrorCode == codeStoreFailed):
		return fmt.Errorf("%w: %w", engine.ErrStoreFull, err)
	case errors.As(err, &e) && e.ErrorCode != codeDeleteFailed, errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", engine.ErrUnknown, err)
}
