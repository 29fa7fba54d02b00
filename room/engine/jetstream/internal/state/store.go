package state

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/entries"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/frames"
	"webim/room/engine/jetstream/internal/logread"
)

// Stream is the name of the stream, and Subjects are those of all its messages.
const (
	Stream   = "STATE"
	Subjects = "state.>"
)

// Config are the settings of a Store. All are needed.
type Config struct {
	Max int64 // of all entries together, by engine.Entry.Cost; negative: no maximum
	// Apart are the tables whose entries do not count in Max. They always have space.
	Apart []string
	Now   func() time.Time
	Log   *slog.Logger
	// Commit calls done when all messages that are in the stream now are on the disk. A write is done only
	// after that.
	Commit func(done func(error))
	// Go runs a function that may wait.
	Go func(func())
	// Broken is called when the copy may miss changes although the connection was not lost. Then Load has
	// to be called again. It must not block.
	Broken func(error)
	// Tell tells the other nodes a change of an urgent entry that this node has made: their Ahead gets it, unless it is lost. It
	// must not block.
	Tell func(frames.Change)
	// Silent is that of acks.Config.
	Silent func() bool
}

// Store implements engine.State. All methods are safe for concurrent use.
type Store struct {
	entries.Reader
	cfg  Config
	js   jetstream.JetStream
	read *logread.Reader
	pub  *acks.Publisher
	stop chan struct{}
	done sync.WaitGroup

	loading sync.Mutex   // held while Load runs
	calling sync.RWMutex // read-locked while the feed or tick may call somebody; locked between Freeze and Thaw
	left    bool         // see Leave; guarded by calling

	mu          sync.Mutex
	entries     *entries.Entries
	incarnation string    // of the stream that the entries are from
	position    uint64    // sequence of the last message that the feed has brought
	current     bool      // the stream had no message after position when it was sent
	proved      time.Time // the copy had everything then that the stream had; zero: it never had, or was emptied
	proof       proof     // that the copy has not reached yet
	clock       time.Time // the latest time that tick has seen
	feed        *feed     // nil: none
	pending     pending
	ahead       map[engine.Key]ahead
}

// A feed is a consumer that brings all messages of the stream, and then each new one, in order. It is
// used until something is missing; then Load makes another.
type feed struct {
	s       *Store
	name    string                   // of the consumer
	need    uint64                   // the stream has this sequence
	consume jetstream.ConsumeContext // guarded by Store.loading
	last    uint64                   // number of the last message; used only by the consumer's goroutine
	whole   bool                     // the copy has all that the stream has; guarded by Store.mu
	broken  bool                     // guarded by Store.mu
	loaded  chan struct{}            // closed when whole is set
	failed  chan error               // the reason, if it breaks before
}

// ahead is a change that the copy has before the stream has brought it.
type ahead struct {
	seq  uint64
	came time.Time
}

// proof says that the leader of the stream had nothing after a sequence at a time.
type proof struct {
	seq uint64
	at  time.Time // zero: there is no proof
}

// End is logread.Leader.End for the stream. The marker stays, and the next one replaces it: a copy may already have to come to it.
func End(ctx context.Context, leader logread.Leader) (last uint64, err error) {
	subj, value := Marker()
	return leader.EndBefore(ctx, Stream, func() (uint64, error) { return leader.Mark(ctx, Stream, subj, value) })
}

// StreamConfig returns the settings of the stream, without those that all streams share. The server
// permits three times the limit, because it also has the markers, and the entries that do not count.
func StreamConfig(max int64) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              Stream,
		Description:       "webim: memberships, marks, bans, mutes, and the settings of rooms",
		Subjects:          []string{Subjects},
		Storage:           jetstream.FileStorage,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgsPerSubject: 1,
		AllowDirect:       true,
		AllowMsgTTL:       true,
	}
	if max >= 0 {
		c.MaxBytes = 3*max + 1<<20
	}
	return c
}

// Position returns the sequence of the last message that the stream has brought.
func (s *Store) Position() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position
}

// Incarnation returns the incarnation of the stream that Load was called with.
func (s *Store) Incarnation() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.incarnation
}

// MaxState implements engine.State.
func (s *Store) MaxState() int64 { return s.cfg.Max }

// Size returns the cost of the entries that count.
func (s *Store) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries.Size()
}

// Beside returns the cost of the entries that do not count: see Config.Apart.
func (s *Store) Beside() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries.Beside()
}

// fail says that the feed may miss messages.
func (f *feed) fail(err error) {
	f.s.mu.Lock()
	ended := f.broken || f.s.feed != f
	f.broken = true
	whole := f.whole
	f.s.mu.Unlock()
	switch {
	case ended:
	case whole:
		f.s.cfg.Broken(err)
	default:
		f.failed <- err
	}
}

// endFeed ends the feed. Store.loading is held.
func (s *Store) endFeed() (was *feed) {
	s.mu.Lock()
	f := s.feed
	s.feed = nil
	s.mu.Unlock()
	if f != nil && f.consume != nil {
		f.consume.Stop()
	}
	return f
}

// applyLocked applies a change to the copy, and returns the writes that are done by it. The change is a removal if the entry has
// no value.
func (s *Store) applyLocked(e engine.Entry) []waiter {
	// The watchers hear of each change: that the old entry has expired, and then of the new one, even
	// if it has expired on the way.
	s.entries.Get(e.Key, s.cfg.Now())
	if e.Value == nil {
		s.entries.Remove(e.Key, e.Version)
	} else {
		s.entries.Apply(e)
	}
	return s.pending.applied(e.Key, e.Version)
}

func isExpired(e *engine.Entry, now time.Time) bool {
	return !e.Expires.IsZero() && !e.Expires.After(now)
}
