package main

import (
	"fmt"
	"io"
	"net/url"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/remote"
	"webim/cmd/webim/internal/why"
)

// whyCommand is webim why.
type whyCommand struct {
	Who          string `arg:"" type:"text" help:"The user as in tokens (sub), the IP address, or the client id of the connection."`
	JSON         bool   `name:"json" help:"Print JSON instead of a table."`
	config.Flags `embed:""`
}

func (cmd *whyCommand) run(c *config.Config, _ io.Reader, out, _ io.Writer) error {
	ctx, cancel := interruptible()
	defer cancel()
	answer, err := remote.Get(ctx, c, operator.WhyPath+"?who="+url.QueryEscape(cmd.Who), operator.RightWhy)
	if err != nil {
		return err
	}
	if cmd.JSON {
		_, err := fmt.Fprintln(out, answer)
		return err
	}
	return why.Print(out, []byte(answer))
}
