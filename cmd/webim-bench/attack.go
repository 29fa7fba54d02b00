package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"webim/bench/attack"
	"webim/bench/client"
	"webim/bench/peer"
	"webim/bench/proc"
)

// attackCmd runs the attack lab.
type attackCmd struct {
	attack.Options `embed:""`

	List        bool     `help:"List the attacks of the dialect and exit."`
	Only        []string `help:"Run only these attacks." placeholder:"NAME"`
	AllowRemote bool     `help:"Allow a target that is not this machine. It must be yours." name:"allow-remote"`
	Peer        string   `help:"Attack this peer (see webim-bench peers list) instead of --url; it must be built." placeholder:"NAME"`
	Memory      uint64   `default:"0" help:"Memory limit (RLIMIT_DATA) in MiB for a server that webim-bench starts; 0 means no limit." name:"memory-limit"`
	Beside      string   `help:"Token of the bystander; --token is the attacker's. Empty means the same token." name:"bystander-token"`
	Markdown    string   `help:"Also write the table to this file." type:"path"`
}

// run runs the attacks. The exit code says whether all requirements hold.
func (c attackCmd) run(ctx context.Context, flags common) int {
	if c.List {
		for _, a := range attack.All(flags.Dialect) {
			fmt.Printf("%-24s %s\n", a.Name, a.What)
		}
		return 0
	}
	cfg, err := flags.config("attack")
	if c.Beside != "" {
		cfg.Command = strings.ReplaceAll(cfg.Command, c.Beside, "TOKEN")
	}
	if err == nil {
		err = raiseFiles()
	}
	if err != nil {
		return fail(err)
	}
	server, err := c.server(flags, &cfg)
	if err == nil {
		err = attack.CheckTarget(cfg, c.AllowRemote)
	}
	if err != nil {
		return fail(&usageError{err})
	}
	r, err := attack.Run(ctx, cfg, server, c.Options, c.Only, func(line string) { fmt.Fprintln(os.Stderr, line) })
	if r == nil || len(r.Attacks) == 0 {
		return fail(err)
	}
	if werr := c.write(r, flags); err == nil {
		err = werr
	}
	switch {
	case err != nil:
		return fail(err)
	case r.Interrupted:
		return exitInterrupted
	case !r.Holds():
		return exitFailed
	}
	return 0
}

// server returns the way to reach or start the server. For a server on this machine it also
// finds the process.
func (c attackCmd) server(flags common, cfg *client.Config) (attack.Server, error) {
	s := attack.Server{MemoryLimit: c.Memory << 20, BystanderToken: c.Beside}
	if s.BystanderToken == "" {
		s.BystanderToken = cfg.Token
	}
	switch {
	case c.Peer != "":
		root, err := peer.RepositoryRoot(".")
		if err != nil {
			return s, err
		}
		peers, err := peer.Find([]string{c.Peer})
		if err != nil {
			return s, err
		}
		cfg.Dialect, cfg.Label = peers[0].Dialect, c.Peer
		s.Start = func(ctx context.Context) (*proc.Server, string, error) { return peers[0].Start(ctx, root) }
	case flags.Cmd != "":
		s.Start = func(ctx context.Context) (*proc.Server, string, error) {
			server, err := startServer(ctx, flags.Cmd, cfg.URL)
			return server, cfg.URL, err
		}
	case c.Memory != 0:
		return s, fmt.Errorf("--memory-limit needs a server that webim-bench starts: add --cmd or --peer")
	}
	return s, nil
}

// write writes the report to standard output and to the files that the flags name.
func (c attackCmd) write(r *attack.Report, flags common) error {
	if err := r.WriteText(os.Stdout); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{flags.JSON, r.WriteJSON}, {flags.HTML, r.WriteHTML}, {c.Markdown, r.WriteMarkdown}} {
		if f.name != "" {
			if err := writeFile(f.name, f.write); err != nil {
				return err
			}
		}
	}
	return nil
}
