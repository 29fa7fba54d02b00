package api

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"webim/netpoll/ratelog"
	"webim/room"
	"webim/room/apikey"
)

// Config holds the settings of a Handler. Hub and Guard are required.
type Config struct {
	Hub *room.Hub
	// Guard has the keys that open the API, and the names that a request's Host header may have. The Handler asks it at
	// each request, so Guard.Replace takes effect at once. Without keys, only tokens open the API.
	Guard *apikey.Guard
	// MaxBody limits the bytes of a request's body. 0 means 4 MiB.
	MaxBody int64
	// MaxChannels limits the rooms of a broadcast. 0 means 1000.
	MaxChannels int
	// MaxCommands limits the commands of a batch. 0 means 1000.
	MaxCommands int
	// Timeout limits how long a call waits for the engine. 0 means 10 s.
	Timeout time.Duration
	// Logger gets internal errors, which clients do not see, one line for each successful call that
	// takes something from users, and rate-limited lines about refused requests. nil means
	// slog.Default().
	Logger *slog.Logger
}

// Handler serves the API's paths (see Serves). It is safe for concurrent use.
type Handler struct {
	cfg  Config
	told *ratelog.Logger // logs refused requests
}

// New returns a Handler. The error names the missing setting.
func New(cfg Config) (*Handler, error) {
	if cfg.Hub == nil || cfg.Guard == nil {
		return nil, errors.New("api: Config.Hub or Config.Guard is missing")
	}
	cfg.MaxBody = cmp.Or(cfg.MaxBody, 4<<20)
	cfg.MaxChannels = cmp.Or(cfg.MaxChannels, 1000)
	cfg.MaxCommands = cmp.Or(cfg.MaxCommands, 1000)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.Default())
	return &Handler{cfg, ratelog.New(cfg.Logger)}, nil
}
