package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"webim/room/engine/jetstream/embedded/internal/reindex"
)

// ErrStopped is the error of a Server that was closed.
var ErrStopped = errors.New("embedded: the server is stopped")

// Server is a NATS server in this process. All methods are safe for concurrent use.
type Server struct {
	cfg     Config // immutable
	log     *serverLog
	lock    *os.File
	record  *recordFile
	commits *committer // nil without Config.Always
	socket  *socket    // nil if the file system has no sockets

	full atomic.Bool // see Full

	quit  chan struct{}
	calls chan func()   // the supervisor runs them
	done  chan struct{} // the supervisor has ended

	suspended bool // of the supervisor, until done is closed; see Suspend

	mu     sync.Mutex
	nats   *server.Server // nil while there is none
	err    error
	closed bool
}

// Start locks the folder and starts a server on it. It returns when the server has read its store and
// accepts connections.
func Start(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, errors.Join(err, closeFile(cfg.Lock))
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: making the folder of the store: %w", err), closeFile(cfg.Lock))
	}
	lock, err := lockFolder(cfg.Dir, cfg.Lock)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: newServerLog(cfg.Log), lock: lock, quit: make(chan struct{}), calls: make(chan func()), done: make(chan struct{})}
	if err := s.start(); err != nil {
		lock.Close()
		return nil, err
	}
	s.checkSize(s.nats)
	s.openSocket()
	go s.supervise()
	return s, nil
}

func (s *Server) start() (err error) {
	s.record = &recordFile{dir: s.cfg.Dir}
	killed, err := s.record.open(s.cfg.bootID)
	if err != nil {
		return err
	}
	if s.cfg.Always {
		if s.commits, err = newCommitter(s.cfg.Dir, s.cfg.datasync); err != nil {
			return err
		}
	}
	if killed && s.cfg.Lock == nil {
		s.reindex()
	}
	if s.nats, err = s.startNATS(); err != nil && s.commits != nil {
		s.commits.close()
	}
	return err
}

// smallStore is the size of a stream's blocks below which nats-server reads them fast enough by itself.
const smallStore = 32 << 20

// reindex makes the start of nats-server fast after its process was killed.
func (s *Server) reindex() {
	began := time.Now()
	n, err := reindex.Store(filepath.Join(s.cfg.Dir, storeName), s.cfg.smallStore)
	if err != nil {
		s.log.to.Warn("the index of a stream is left to nats-server, which takes longer", "err", err)
	}
	if n > 0 {
		s.log.to.Info("the store was not closed, so its index was made anew", "streams", n, "took", time.Since(began).Round(time.Millisecond))
	}
}

// startNATS starts a nats-server and waits until it is ready.
func (s *Server) startNATS() (*server.Server, error) {
	opts, err := s.options()
	if err != nil {
		return nil, err
	}
	n, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	s.log.reset()
	n.SetLoggerV2(s.log, false, false, false)
	n.Start()
	switch {
	case s.log.fatal.Load() != nil:
		err = fmt.Errorf("embedded: starting the store in %s: %s", s.cfg.Dir, *s.log.fatal.Load())
	case !n.JetStreamEnabled():
		err = fmt.Errorf("embedded: starting the store in %s: JetStream has stopped", s.cfg.Dir)
	case !n.ReadyForConnections(startTimeout):
		err = fmt.Errorf("embedded: the NATS server in %s is not ready after %v", s.cfg.Dir, startTimeout)
	default:
		return n, nil
	}
	stopNATS(n)
	return nil, err
}

func stopNATS(n *server.Server) {
	n.Shutdown()
	n.WaitForShutdown()
}

// Lock returns the file that keeps the folder locked. A process that inherits its descriptor keeps the
// lock, too. It belongs to the Server, and Close closes it.
func (s *Server) Lock() *os.File { return s.lock }

// Unclean reports whether the newest messages may be missing: the machine has ended since the last use of the
// folder without a Close before, or the folder has a store but no record, as after a restore. It reports so
// until the caller calls Recovered, also after more restarts.
func (s *Server) Unclean() bool { return s.record.unclean() }

// Recovered ends the state that Unclean reports: the caller has dealt with the loss. Recovered syncs the store first.
func (s *Server) Recovered() error { return s.record.recovered() }

// Commit calls done when everything that was acknowledged in a stream before the call is synced to the disk,
// or with an error. It calls done once, from any goroutine, perhaps before Commit returns; done must not
// block. Without Config.Always it calls done at once, without an error.
//
// After the disk has failed to sync, no later Commit succeeds, because the kernel forgets the data that it could not
// write: the process must be started again.
func (s *Server) Commit(stream string, done func(error)) {
	if s.commits == nil {
		done(nil)
		return
	}
	s.commits.commit(stream, done)
}

// Err returns the error because of which the store accepts no writes, ErrStopped after Close, or nil.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Close stops the server, syncs the store to the disk, and unlocks the folder. Connections of clients
// are lost. Commits that still wait get an error.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.quit)
	<-s.done
	s.closeSocket()
	s.mu.Lock()
	n := s.nats
	failed := s.err != nil
	s.nats, s.err = nil, ErrStopped
	s.mu.Unlock()
	if n != nil {
		stopNATS(n)
	}
	if s.commits != nil {
		s.commits.close()
	}
	var err error
	if !failed && !s.suspended { // otherwise the store has not written everything, or another process uses it
		err = s.record.closeClean()
	}
	return errors.Join(err, s.lock.Close())
}
