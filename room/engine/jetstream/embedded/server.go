package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// The defaults of Config.
const (
	DefaultMaxStore = 10 << 30
	DefaultInterval = time.Second
)

// MaxPayload is the maximum size of a NATS message in bytes, its headers included. A webim message of
// the highest possible size fits, with its envelope.
const MaxPayload = 8 << 20

// The limits of nats-server for which there is no setting.
const (
	maxMemory    = 32 << 20 // of streams in memory, which webim does not use
	maxPending   = 64 << 20 // bytes that wait for one client
	startTimeout = time.Minute
)

// Config configures a Server. Only Dir is required.
type Config struct {
	Dir      string        // the folder; Start makes it, with the rights 0700
	MaxStore int64         // bytes that all streams may take together; 0: DefaultMaxStore
	Interval time.Duration // the time between two syncs; 0: DefaultInterval
	Always   bool          // Commit syncs; see the package comment
	Log      *slog.Logger  // nil: no log

	// Listen is a TCP address, such as "127.0.0.1:4222", at which other programs can reach the
	// nats-server; "": none. There is no password: whoever reaches the address reads and writes
	// everything.
	Listen string

	// Changed, if not nil, is called with each new result of Err, one call after the other. It must
	// not block, and must not call Close.
	Changed func(error)

	// Seams for tests.
	bootID   func() (string, error)
	datasync func(*os.File) error
	room     int64         // free space that the supervisor wants before a restart
	retry    time.Duration // time between two looks of the supervisor
}

// ErrStopped is the error of a Server that was closed.
var ErrStopped = errors.New("embedded: the server is stopped")

// Server is a NATS server in this process. All methods are safe for concurrent use.
type Server struct {
	cfg     Config // immutable
	log     *serverLog
	lock    *os.File
	record  *recordFile
	commits *committer // nil without Config.Always

	quit chan struct{}
	done chan struct{} // the supervisor has ended

	mu     sync.Mutex
	nats   *server.Server // nil while there is none
	err    error
	closed bool
}

// Start locks the folder and starts a server on it. It returns when the server has read its store and
// accepts connections.
func Start(cfg Config) (*Server, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: making the folder of the store: %w", err)
	}
	lock, err := lockFolder(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: newServerLog(cfg.Log), lock: lock, quit: make(chan struct{}), done: make(chan struct{})}
	if err := s.start(); err != nil {
		lock.Close()
		return nil, err
	}
	go s.supervise()
	return s, nil
}

func (s *Server) start() (err error) {
	if s.record, err = openRecord(s.cfg.Dir, s.cfg.bootID); err != nil {
		return err
	}
	if s.cfg.Always {
		if s.commits, err = newCommitter(s.cfg.Dir, s.cfg.datasync); err != nil {
			return err
		}
	}
	if s.nats, err = s.startNATS(); err != nil && s.commits != nil {
		s.commits.close()
	}
	return err
}

// complete fills in the defaults.
func (c *Config) complete() (err error) {
	switch {
	case c.Dir == "":
		return errors.New("embedded: the store needs a folder")
	case c.MaxStore < 0 || c.Interval < 0:
		return errors.New("embedded: the maximum size and the time between two syncs must not be negative")
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return fmt.Errorf("embedded: finding the folder of the store: %w", err)
	}
	if c.MaxStore == 0 {
		c.MaxStore = DefaultMaxStore
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.bootID == nil {
		c.bootID = bootID
	}
	if c.datasync == nil {
		c.datasync = datasync
	}
	if c.room == 0 {
		c.room = defaultRoom
	}
	if c.retry == 0 {
		c.retry = defaultRetry
	}
	return nil
}

// options returns the options of nats-server.
func (s *Server) options() (*server.Options, error) {
	opts := &server.Options{
		ServerName:             "webim",
		DontListen:             s.cfg.Listen == "",
		NoSigs:                 true,
		NoLog:                  true, // SetLoggerV2 gives it one
		DisableJetStreamBanner: true,
		MaxPayload:             MaxPayload,
		MaxPending:             maxPending,
		JetStream:              true,
		StoreDir:               s.cfg.Dir,
		JetStreamMaxStore:      s.cfg.MaxStore,
		JetStreamMaxMemory:     maxMemory,
		SyncInterval:           s.cfg.Interval,
	}
	if s.cfg.Listen == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("embedded: the address to listen on: %w", err)
	}
	if opts.Port, err = strconv.Atoi(port); err != nil || opts.Port < 0 || opts.Port > 65535 {
		return nil, fmt.Errorf("embedded: the address to listen on, %q, has no valid port", s.cfg.Listen)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	opts.Host = host
	return opts, nil
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

// InProcessConn opens a connection without a socket: see nats.InProcessConnProvider. It fails while there is no
// nats-server.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	n := s.nats
	s.mu.Unlock()
	if n == nil {
		return nil, ErrStopped
	}
	return n.InProcessConn()
}

// Connect opens a NATS connection to the server, with the given options after its own. The connection
// is opened again after each restart of the nats-server, for ever, until the caller closes it. While it is
// lost, publishing fails at once: nothing waits in a buffer. To keep nats.go from repeating a publish,
// the caller also passes nats.RetryAttempts(0) with it: that is an option of each publish.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	own := []nats.Option{
		nats.InProcessServer(s),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
	}
	c, err := nats.Connect("", append(own, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("embedded: connecting: %w", err)
	}
	return c, nil
}

// reconnectWait is the time between two attempts of a client to connect.
const reconnectWait = 20 * time.Millisecond

// Addr returns the address that Config.Listen opened, or nil. After a restart with port 0 it is another one.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nats == nil {
		return nil
	}
	return s.nats.Addr()
}

// Lock returns the file that keeps the folder locked. A process that inherits its descriptor keeps the
// lock, too. It belongs to the Server, and Close closes it.
func (s *Server) Lock() *os.File { return s.lock }

// Unclean reports whether the newest messages may be missing: the machine has ended since the last use of the
// folder without a Close before, or the folder has a store but no record, as after a restore. It reports so
// until the caller calls Recovered, also after more restarts.
func (s *Server) Unclean() bool { return s.record.unclean() }

// Recovered ends what Unclean reports: the caller has dealt with the loss. Recovered syncs the store first.
func (s *Server) Recovered() error { return s.record.recovered() }

// Commit calls done when everything that was acknowledged in a stream before the call is synced to the disk,
// or with an error. It calls done once, from any goroutine, perhaps before Commit returns; done must not
// block. Without Config.Always it calls done at once, without an error.
//
// After the disk has failed to sync, no later Commit succeeds, because the kernel forgets what it could not
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
	if !failed { // otherwise the store has not written everything
		err = s.record.closeClean()
	}
	return errors.Join(err, s.lock.Close())
}
