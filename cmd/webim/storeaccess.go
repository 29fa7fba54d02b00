package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"webim/cmd/webim/internal/config"
	"webim/room/chat"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/embedded"
)

// A command such as erase works on the store of the settings for a moment. If no process uses the folder,
// the command opens it as serve does. Otherwise it reaches the store of that process by the socket in the folder.
// On a NATS cluster, it is a client like each node.

// openStore opens the store for a command.
func (p *program) openStore() (e *jetstream.Engine, err error) {
	folder := p.cfg.StoreFolder
	switch p.cfg.StoreEngine {
	case config.EngineNATS:
		return p.openNATS()
	case config.EngineEmbedded:
		if _, err := os.Stat(filepath.Join(folder, "jetstream")); err != nil && p.use != byRestore {
			return nil, config.Usagef("there is no store in the folder %s: name the folder that webim serve uses.", folder)
		}
		var used *embedded.InUseError
		if e, err = p.openEmbedded(); errors.As(err, &used) && p.use != byRestore {
			return p.attach(used)
		}
		return e, err
	}
	return nil, config.Usagef("the engine is memory, which has no store outside of the process: use the server API.")
}

// attach opens the store of another process. used is the error that says that there is one.
func (p *program) attach(used error) (*jetstream.Engine, error) {
	jc := p.jetstreamConfig()
	var err error
	if jc.Connect, err = embedded.Attach(p.cfg.StoreFolder); err != nil {
		return nil, errors.Join(used, err)
	}
	jc.Commit = func(_ string, done func(error)) { done(embedded.Sync(p.cfg.StoreFolder)) }
	jc.SyncStream = func(string) error { return embedded.Sync(p.cfg.StoreFolder) }
	return p.openJetStream(jc)
}

// storeFunc works on a store until ctx ends.
type storeFunc func(ctx context.Context, p *program, e *jetstream.Engine) error

// withStore calls f with the store of the settings.
func withStore(c *config.Config, errs io.Writer, f storeFunc) error {
	return useStore(c, errs, byCommand, f)
}

// useStore is withStore for any use but byServe.
func useStore(c *config.Config, errs io.Writer, use storeUse, f storeFunc) error {
	if c.LogLevel == "info" {
		c.LogLevel = "warn"
	}
	p := newProgram(c, errs)
	p.use = use
	defer p.close()
	if err := c.CheckStore(); err != nil {
		return err
	}
	e, err := p.openStore()
	if err != nil {
		return err
	}
	ctx, cancel := interruptible()
	defer cancel()
	return f(ctx, p, e)
}

// eraseCommand is webim erase.
type eraseCommand struct {
	User         string `arg:"" type:"text" help:"The user, as in tokens (sub)."`
	config.Flags `embed:""`
}

func (cmd *eraseCommand) run(c *config.Config, _ io.Reader, out, errs io.Writer) error {
	if cmd.User == "" {
		return config.Usagef("the name of the user is empty, and messages of nobody are not those of a user.")
	}
	return withStore(c, errs, func(ctx context.Context, _ *program, e *jetstream.Engine) error {
		if err := chat.Erase(ctx, e, cmd.User); err != nil {
			return fmt.Errorf("the user %s may not be erased completely, so erase it again: %w", cmd.User, err)
		}
		_, err := fmt.Fprintf(out, "erased: the user %s\n", cmd.User)
		return err
	})
}

// interruptible returns a context that ends with SIGINT and SIGTERM.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}
