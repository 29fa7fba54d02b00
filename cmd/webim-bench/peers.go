package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"webim/bench/peer"
)

// peersCmd manages the servers that webim is compared with.
type peersCmd struct {
	List  struct{}  `cmd:"" help:"List the peers, and whether each can run here."`
	Build peersPick `cmd:"" help:"Build peers into bin/peers; may download their sources and dependencies."`
	Smoke peersPick `cmd:"" help:"Build peers, and check that each works as a chat room."`
}

// peersPick selects peers by name.
type peersPick struct {
	Names []string `arg:"" optional:"" help:"Names of peers; without names, all that can run here."`
}

// run runs a command such as "peers build NAME".
func (p peersCmd) run(ctx context.Context, command string) error {
	switch strings.Fields(command)[1] {
	case "build":
		return p.Build.each(ctx, "built", peer.Peer.Build)
	case "smoke":
		return p.Smoke.each(ctx, "is a chat room", func(peer peer.Peer, ctx context.Context, root string) error {
			if err := peer.Build(ctx, root); err != nil {
				return err
			}
			return peer.Smoke(ctx, root)
		})
	}
	return listPeers(ctx, os.Stdout)
}

func listPeers(ctx context.Context, w io.Writer) error {
	for _, p := range peer.All() {
		state := "can run"
		if why := p.Absent(ctx); why != "" {
			state = "cannot: " + why
		}
		if _, err := fmt.Fprintf(w, "%-10s %-52s %s\n", p.Name, p.What, state); err != nil {
			return err
		}
	}
	return nil
}

// each calls do for each peer in turn and prints the result. A peer that is not given by name
// may be unable to run here. If one fails, each continues with the next.
func (p peersPick) each(ctx context.Context, done string, do func(peer.Peer, context.Context, string) error) error {
	root, err := peer.RepositoryRoot(".")
	if err != nil {
		return err
	}
	peers, err := peer.Find(p.Names)
	if err != nil {
		return err
	}
	failed := 0
	for _, peer := range peers {
		why := peer.Absent(ctx)
		switch {
		case why != "" && len(p.Names) == 0:
			fmt.Printf("%-10s left out: %s\n", peer.Name, why)
			continue
		case why != "":
			err = fmt.Errorf("cannot run here: %s", why)
		default:
			err = do(peer, ctx, root)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed++
			fmt.Printf("%-10s failed: %v\n", peer.Name, err)
			continue
		}
		fmt.Printf("%-10s %s\n", peer.Name, done)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d peers failed: see above", failed, len(peers))
	}
	return nil
}
