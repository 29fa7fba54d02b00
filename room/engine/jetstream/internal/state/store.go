package state

import (
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/entries"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/logread"
)

// Stream is the name of the stream.
const Stream = "STATE"

// Config are the settings of a Store. All are needed.
type Config struct {
	Max int64 // of all entries together, by engine.Entry.Cost; negative: no maximum
	Now func() time.Time
	Log *slog.Logger
	// Commit calls done when all messages that are in the stream now are on the disk. A write is done only
	// after that.
	Commit func(done func(error))
	// Go runs a function that may wait.
	Go func(func())
	// Broken is called when the copy may miss changes although the connection was not lost. Then Load has
	// to be called again. It must not block.
	Broken func(error)
}

// Store implements engine.State. All methods are safe for concurrent use.
type Store struct {
	cfg  Config
	js   jetstream.JetStream
	read *logread.Reader
	pub  *acks.Publisher
	stop chan struct{}
	done sync.WaitGroup

	loading sync.Mutex // held while Load runs

	mu          sync.Mutex
	entries     *entries.Entries
	incarnation string // of the stream that the entries are from
	position    uint64 // sequence of the last message that the feed has brought
	current     bool   // the stream had no message after position when it was sent
	feed        *feed  // nil: none
	keys        map[engine.Key]*key
	writes      int // that are not done
}

// MaxWrites is the number of writes that are not done, and maxWriteBytes the bytes of those that were sent
// and not answered. Above these, a write gets engine.ErrUnavailable.
const (
	MaxWrites     = 16_384
	maxWriteBytes = 16 << 20
)

// StreamConfig returns the settings of the stream, without those that all streams share. The server
// permits twice the limit, because it also has the markers.
func StreamConfig(max int64) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              Stream,
		Description:       "webim: memberships, marks, bans, mutes, and the settings of rooms",
		Subjects:          []string{"state.>"},
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
		c.MaxBytes = 2*max + 1<<20
	}
	return c
}

// New makes a Store on a connection. It has no entries before Load.
func New(nc *nats.Conn, js jetstream.JetStream, read *logread.Reader, cfg Config) (*Store, error) {
	pub, err := acks.New(nc, acks.Config{MaxPending: MaxWrites, MaxBytes: maxWriteBytes})
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, js: js, read: read, pub: pub, stop: make(chan struct{}), entries: entries.New(cfg.Max), keys: map[engine.Key]*key{}}
	s.done.Go(s.tick)
	return s, nil
}

// Close ends the Store. Writes that are not done get engine.ErrUnknown.
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
			s.Expire()
			s.endLate(now)
		case <-s.stop:
			return
		}
	}
}

// Expire removes the entries that have expired. The Store does so by itself once a second.
func (s *Store) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries.Expire(s.cfg.Now())
}

// MaxState implements engine.State.
func (s *Store) MaxState() int64 { return s.cfg.Max }

// Get implements engine.State. done is called before Get returns.
func (s *Store) Get(k engine.Key, done func(engine.Entry, error)) { done(s.Entry(k), nil) }

// Entry returns an entry. If there is none, its Version is 0.
func (s *Store) Entry(k engine.Key) engine.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries.Get(k, s.cfg.Now())
}

// List implements engine.State. done is called before List returns.
func (s *Store) List(table, of, after string, limit int, done func([]engine.Entry, error)) {
	done(s.Entries(table, of, after, limit), nil)
}

// Entries returns what List reads.
func (s *Store) Entries(table, of, after string, limit int) []engine.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries.List(table, of, after, limit, s.cfg.Now())
}

// Last returns the last entry of those with the same table and Of whose names are before the given one; ""
// means no limit. If there is none, its Version is 0.
func (s *Store) Last(table, of, before string) engine.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries.Last(table, of, before, s.cfg.Now())
}

// CountEntries implements engine.State. done is called before CountEntries returns.
func (s *Store) CountEntries(table, of, after, before string, done func(int, error)) {
	s.mu.Lock()
	n := s.entries.Count(table, of, after, before)
	s.mu.Unlock()
	done(n, nil)
}

// Watch implements engine.State.
func (s *Store) Watch(table string, f func(was, is engine.Entry)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.entries.Watch(table, f)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		end()
	}
}
