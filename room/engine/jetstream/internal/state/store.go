package state

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
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
	keys        map[engine.Key]*key
	ahead       map[engine.Key]ahead
	writes      int // that are not done
}

// MaxWrites is the number of writes that are not done, and maxWriteBytes the bytes of those that were sent
// and not answered. Above these, a write gets engine.ErrUnavailable.
const (
	MaxWrites     = 16_384
	maxWriteBytes = 16 << 20
)

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

// New makes a Store on a connection. It has no entries before Load.
func New(nc *nats.Conn, js jetstream.JetStream, read *logread.Reader, cfg Config) (*Store, error) {
	pub, err := acks.New(nc, acks.Config{MaxPending: MaxWrites, MaxBytes: maxWriteBytes, Silent: cfg.Silent})
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, js: js, read: read, pub: pub, stop: make(chan struct{}), entries: entries.New(cfg.Max, cfg.Apart...), keys: map[engine.Key]*key{}, ahead: map[engine.Key]ahead{}}
	s.Reader = entries.NewReader(&s.mu, s.entries, cfg.Now)
	s.done.Go(s.tick)
	return s, nil
}

// Freeze makes the Store call nobody until Thaw, except the callers of writes that are under way. It waits for calls that have
// begun.
func (s *Store) Freeze() { s.calling.Lock() }

// Thaw goes on after Freeze.
func (s *Store) Thaw() { s.calling.Unlock() }

// Leave follows Freeze instead of Thaw: nobody is called any more. Close follows.
func (s *Store) Leave() {
	s.left = true
	s.calling.Unlock()
}

// Close ends the Store. Writes that are not done get engine.ErrUnknown. After Freeze, Thaw or Leave comes
// first.
func (s *Store) Close() {
	close(s.stop)
	s.done.Wait()
	s.loading.Lock()
	defer s.loading.Unlock()
	s.endFeed()
	s.pub.Close()
	s.Lost()
}

// tick removes expired entries, and ends writes that wait too long.
func (s *Store) tick() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case now := <-t.C:
			s.calling.RLock()
			if !s.left {
				s.Expire()
				s.endLate(now)
			}
			s.calling.RUnlock()
		case <-s.stop:
			return
		}
	}
}

// errClock: entries may have been removed because they seemed to have expired.
var errClock = errors.New("state: the clock was set back")

// Expire removes the entries that have expired. The Store does so by itself once a second. If the clock was set
// back, its feed ends, so that Load is needed: otherwise a ban that had seemed to expire meanwhile would stay away.
func (s *Store) Expire() {
	s.mu.Lock()
	now := s.cfg.Now().Round(0) // without the monotonic clock
	back := now.Before(s.clock.Add(-time.Second))
	s.clock = now
	s.entries.Expire(now)
	f := s.feed
	s.mu.Unlock()
	if back && f != nil {
		f.fail(errClock)
	}
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
