package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/version"
	"webim/room/chat"
	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/archive"
	"webim/room/engine/jetstream/embedded"
)

// backupCommand is webim backup.
type backupCommand struct {
	Dir          string `arg:"" type:"text" help:"The folder to make, which must not exist or be empty."`
	Keys         string `type:"text" placeholder:"FILE" help:"Also write the keys of users to this file. Whoever has it and a backup can read all messages; without it, nobody can read the messages of users."`
	config.Flags `embed:""`
}

func (cmd *backupCommand) run(c *config.Config, _ io.Reader, out, errs io.Writer) error {
	if err := outside(c, cmd.Dir, cmd.Keys); err != nil {
		return err
	}
	return withStore(c, errs, func(ctx context.Context, p *program, _ *jetstream.Engine) error {
		ac, end, err := p.archive(cmd.Keys)
		if err != nil {
			return err
		}
		defer end()
		if err := archive.Backup(ctx, ac, cmd.Dir); err != nil {
			return fmt.Errorf("there is no backup: %w", err)
		}
		_, err = fmt.Fprintf(out, "backup: %s\n", cmd.Dir)
		return err
	})
}

// outside checks that the files of a backup are not in the folder of the store, or the keys in the backup.
func outside(c *config.Config, dir, keys string) error {
	for _, one := range []struct{ what, is, in, name string }{
		{"the backup", dir, c.StoreFolder, "the folder of the store"}, {"the keys file", keys, c.StoreFolder, "the folder of the store"}, {"the keys file", keys, dir, "the backup"},
	} {
		is, err := filepath.Abs(one.is)
		in, bad := filepath.Abs(one.in)
		if err != nil || bad != nil {
			return errors.Join(err, bad)
		}
		if one.is != "" && one.in != "" && (is == in || strings.HasPrefix(is, in+"/")) {
			return config.Usagef("%s would be in %s, %s: choose another place.", one.what, one.name, one.in)
		}
	}
	return nil
}

// archive returns the configuration with which package archive works on the open store, and a function that ends it.
func (p *program) archive(keys string) (ac archive.Config, end func(), err error) {
	nc, err := p.opened.Connect(nats.Name("webim backup"))
	if err != nil {
		return ac, nil, err
	}
	ac = archive.Config{Conn: nc, Keys: keys, Version: version.Text(), Replicas: 1, SyncStream: p.opened.SyncStream}
	if p.cfg.StoreEngine == config.EngineNATS {
		ac.Replicas = p.cfg.NATSReplicas
	}
	return ac, nc.Close, nil
}

// restoreCommand is webim restore.
type restoreCommand struct {
	Dir          string `arg:"" type:"text" help:"The folder of the backup."`
	Keys         string `type:"text" placeholder:"FILE" help:"Take the keys of users that the store does not have from this file of webim backup."`
	config.Flags `embed:""`
}

func (cmd *restoreCommand) run(c *config.Config, _ io.Reader, out, errs io.Writer) error {
	if err := archive.Check(cmd.Dir, cmd.Keys); err != nil {
		return err
	}
	err := useStore(c, errs, byRestore, func(ctx context.Context, p *program, e *jetstream.Engine) error {
		removed, err := e.Removals()
		e.Close()
		if err != nil {
			return err
		}
		return p.restore(ctx, removed, cmd, out)
	})
	var used *embedded.InUseError
	if errors.As(err, &used) {
		return fmt.Errorf("a store in use cannot be restored: %w", used)
	}
	return err
}

// restore replaces the store, and repeats the removals since the backup was made.
func (p *program) restore(ctx context.Context, removed []engine.Entry, cmd *restoreCommand, out io.Writer) error {
	ac, end, err := p.archive(cmd.Keys)
	if err != nil {
		return err
	}
	defer end()
	r, err := archive.Restore(ctx, ac, cmd.Dir, removed)
	if errors.Is(err, archive.ErrNoBackup) {
		return err
	}
	if err == nil {
		err = p.removeAgain(ctx, &r)
	}
	if err == nil {
		err = archive.End(ctx, ac)
	}
	if err != nil {
		return fmt.Errorf("the restore has not ended, so the store cannot be used: run it again: %w", err)
	}
	_, err = fmt.Fprintf(out, "restored: the store as it was at %s, with %d keys from the keys file; users erased since: %d\n", r.Began.Format("2006-01-02 15:04:05 MST"), r.Keys, len(r.Erased))
	return err
}

// removeAgain repeats the removals of the old store in the restored one.
func (p *program) removeAgain(ctx context.Context, r *archive.Report) error {
	e, err := p.openJetStream(p.opened)
	if err != nil {
		return err
	}
	if err := e.Apply(r.Removals); err != nil {
		return err
	}
	for _, user := range r.Erased {
		if err := chat.RemoveTraces(ctx, e, user); err != nil {
			return err
		}
	}
	return nil
}
