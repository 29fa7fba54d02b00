package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/jsonlines"
	"webim/room/engine/jetstream"
)

// exportCommand is webim export.
type exportCommand struct {
	Room         string `type:"text" placeholder:"ROOM" xor:"what" help:"Only this room."`
	User         string `type:"text" placeholder:"ID" xor:"what" help:"Only what this user has said."`
	config.Flags `embed:""`
}

func (cmd *exportCommand) run(c *config.Config, _ io.Reader, out, errs io.Writer) error {
	return withStore(c, errs, func(ctx context.Context, _ *program, e *jetstream.Engine) error {
		return jsonlines.Export(ctx, e, out, cmd.Room, cmd.User)
	})
}

// importCommand is webim import.
type importCommand struct {
	File         string `arg:"" optional:"" type:"text" help:"The export; none or - is the standard input."`
	config.Flags `embed:""`
}

func (cmd *importCommand) run(c *config.Config, in io.Reader, out, errs io.Writer) error {
	if cmd.File != "" && cmd.File != "-" {
		f, err := os.Open(cmd.File)
		if err != nil {
			return config.Usagef("the export cannot be read: %v.", err)
		}
		defer f.Close()
		in = f
	}
	return withStore(c, errs, func(ctx context.Context, p *program, e *jetstream.Engine) error {
		messages, rooms, err := jsonlines.Import(ctx, e, p.opened.Keep, in)
		if err != nil {
			return fmt.Errorf("after %d messages: %w", messages, err)
		}
		_, err = fmt.Fprintf(out, "imported: %d messages and events in %d rooms\n", messages, rooms)
		return err
	})
}
