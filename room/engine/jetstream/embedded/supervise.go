package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/sys/unix"
)

const (
	// defaultRoom is the free space that must be there before a restart: two blocks of a stream. With less, the
	// store would soon fail again.
	defaultRoom  = 16 << 20
	defaultRetry = time.Second
)

// supervise watches the nats-server until Close, and replaces it after its store has failed.
func (s *Server) supervise() {
	defer close(s.done)
	tick := time.NewTicker(s.cfg.retry)
	defer tick.Stop()
	for {
		select {
		case <-s.quit:
			return
		case f := <-s.calls:
			f()
		case <-s.log.failed:
			if !s.suspended {
				s.fail(s.storeError())
			}
		case <-tick.C:
			if !s.suspended {
				s.look()
			}
		}
	}
}

// look checks the nats-server, and restarts it if its store has failed and there is space.
func (s *Server) look() {
	s.mu.Lock()
	n, failed := s.nats, s.err != nil
	s.mu.Unlock()
	if !failed {
		if n.JetStreamEnabled() {
			s.checkSize(n)
			return
		}
		s.fail(s.storeError())
	}
	if hasRoom(s.cfg.Dir, s.cfg.room) != nil {
		return
	}
	s.restart()
}

// checkSize sets the result of Full.
func (s *Server) checkSize(n *server.Server) {
	is, err := n.Jsz(nil)
	if err != nil {
		return // JetStream is about to stop, which look will notice
	}
	full := is.Store >= uint64(s.cfg.MaxStore)
	if s.full.Swap(full) == full {
		return
	}
	if full {
		s.log.to.Warn("the store has reached its maximum: nothing can be sent until older messages have expired", "bytes", is.Store, "maximum", s.cfg.MaxStore)
	} else {
		s.log.to.Info("the store is below its maximum again", "bytes", is.Store, "maximum", s.cfg.MaxStore)
	}
}

// Full reports whether the store had reached Config.MaxStore at the last look, a second ago at most. Then only what
// takes little space and must go on may be written: who is banned, what is deleted, and keys. Reserve is for them, and
// for messages that come until the next look. It is safe for concurrent use and does not block.
func (s *Server) Full() bool { return s.full.Load() }

// restart replaces the nats-server.
func (s *Server) restart() {
	s.mu.Lock()
	n := s.nats
	s.nats = nil
	s.mu.Unlock()
	if n != nil {
		stopNATS(n)
	}
	n, err := s.startNATS()
	if err != nil { // the next look tries again
		s.log.to.Error("the embedded store does not start again", "err", err)
		return
	}
	s.mu.Lock()
	s.nats = n
	s.mu.Unlock()
	s.log.to.Warn("the embedded store has started again", "folder", s.cfg.Dir)
	s.fail(nil)
}

// storeError is the error for a store that has failed.
func (s *Server) storeError() error {
	why := "JetStream has stopped"
	if text := s.log.why.Load(); text != nil {
		why = *text
	}
	return fmt.Errorf("embedded: the store in %s accepts no writes: %s", s.cfg.Dir, why)
}

// fail sets the result of Err, if it is another one.
func (s *Server) fail(err error) {
	s.mu.Lock()
	same := (err == nil) == (s.err == nil)
	if !same {
		s.err = err
	}
	s.mu.Unlock()
	if same {
		return
	}
	if err != nil {
		s.log.to.Error("the embedded store has failed: webim starts it again when it can write", "err", err)
	}
	if s.cfg.Changed != nil {
		s.cfg.Changed(err)
	}
}

// hasRoom returns nil if n bytes can be written to a folder. It reserves them for a moment: unlike the free
// space of the file system, that also shows quotas.
func hasRoom(dir string, n int64) error {
	name := filepath.Join(dir, "webim.space")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	defer f.Close()
	err = unix.Fallocate(int(f.Fd()), 0, 0, n)
	if errors.Is(err, unix.EOPNOTSUPP) { // this file system cannot reserve
		block := make([]byte, 1<<20)
		for err = nil; n > 0 && err == nil; n -= int64(len(block)) {
			_, err = f.Write(block)
		}
		err = errors.Join(err, f.Sync())
	}
	return err
}
