package state

import (
	"cmp"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/entries"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/logread"
)

// New makes a Store on a connection. It has no entries before Load.
func New(nc *nats.Conn, js jetstream.JetStream, read *logread.Reader, cfg Config) (*Store, error) {
	pub, err := acks.New(nc, acks.Config{MaxPending: MaxWrites, MaxBytes: maxWriteBytes, Silent: cfg.Silent})
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: cfg, js: js, read: read, pub: pub, stop: make(chan struct{}), entries: entries.New(cfg.Max, cfg.Apart...), pending: pending{keys: map[engine.Key]*key{}}, ahead: map[engine.Key]ahead{}}
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

// endLate ends the writes that wait for the copy too long. Of those that the copy passed over, because
// their entries expired on the way, it knows better.
func (s *Store) endLate(now time.Time) {
	s.mu.Lock()
	all := s.pending.takeAll(func(w *waiter) bool {
		if s.current && w.seq <= s.position {
			return true
		}
		if late := now.After(w.until); !late {
			return false
		}
		w.err = cmp.Or(w.err, engine.ErrUnknown)
		return true
	})
	s.mu.Unlock()
	for i := range all {
		all[i].end()
	}
}

// Lost says that the connection was lost. Writes that were sent get engine.ErrUnknown, and the copy stays
// as it is until Load.
func (s *Store) Lost() {
	s.pub.Lost()
	s.mu.Lock()
	if f := s.feed; f != nil && !f.broken {
		f.broken = true
		f.failed <- engine.ErrUnavailable // for Load, if it runs
	}
	all := s.pending.takeAll(func(*waiter) bool { return true })
	s.mu.Unlock()
	for i := range all {
		all[i].err = cmp.Or(all[i].err, engine.ErrUnknown)
		all[i].end()
	}
}
