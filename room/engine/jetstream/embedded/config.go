package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// The defaults of Config.
const (
	DefaultMaxStore = 10 << 30
	DefaultInterval = time.Second
)

// Reserve is the number of bytes that the streams may take above Config.MaxStore: see Server.Full.
const Reserve = 512 << 20

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
	MaxStore int64         // bytes above which Full reports true; 0: DefaultMaxStore. All streams together take at most Reserve more
	Interval time.Duration // the time between two syncs; 0: DefaultInterval
	Always   bool          // Commit syncs; see the package comment
	Log      *slog.Logger  // nil: no log

	// Lock, if not nil, is the file of Server.Lock in a process that has suspended its Server (Server.Suspend) for this one: a
	// copy of the descriptor. Start takes the file over, also after an error.
	Lock *os.File

	// Listen is a TCP address, such as "127.0.0.1:4222", at which other programs can reach the
	// nats-server; "": none. There is no password: whoever reaches the address reads and writes
	// everything.
	Listen string

	// Changed, if not nil, is called with each new result of Err, one call after the other. It must
	// not block, and must not call Close.
	Changed func(error)

	// Seams for tests.
	bootID     func() (string, error)
	datasync   func(*os.File) error
	room       int64         // free space that the supervisor wants before a restart
	retry      time.Duration // time between two looks of the supervisor
	smallStore int64         // see smallStore
	reserve    int64         // instead of Reserve
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
	if c.reserve == 0 {
		c.reserve = Reserve
	}
	if c.smallStore == 0 {
		c.smallStore = smallStore
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
		JetStreamMaxStore:      s.cfg.MaxStore + s.cfg.reserve,
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
