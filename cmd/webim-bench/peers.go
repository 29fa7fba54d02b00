package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"webim/bench"
)

// peersCmd is about the servers that webim is compared with.
type peersCmd struct {
	List  struct{}  `cmd:"" help:"What there is, and whether it can run here."`
	Build peersPick `cmd:"" help:"Build them into bin/peers; may download what they are made of."`
	Smoke peersPick `cmd:"" help:"Build them, and prove that each is a chat room."`
}

// peersPick names peers.
type peersPick struct {
	Names []string `arg:"" optional:"" help:"Which; all that can run here if there are none."`
}

// run does what command, like "peers build <names>", asks for.
func (p peersCmd) run(ctx context.Context, command string) error {
	switch strings.Fields(command)[1] {
	case "build":
		return p.Build.each(ctx, "built", bench.Peer.Build)
	case "smoke":
		return p.Smoke.each(ctx, "is a chat room", func(peer bench.Peer, ctx context.Context, root string) error {
			if err := peer.Build(ctx, root); err != nil {
				return err
			}
			return peer.Smoke(ctx, root)
		})
	}
	return listPeers(ctx, os.Stdout)
}

func listPeers(ctx context.Context, w io.Writer) error {
	for _, p := range bench.Peers() {
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

// each does something with each peer, one after the other, and says how it went. A peer that was not asked for by name may be absent; one
// that fails does not keep the others from their turn.
func (p peersPick) each(ctx context.Context, done string, do func(bench.Peer, context.Context, string) error) error {
	root, err := bench.RepositoryRoot(".")
	if err != nil {
		return err
	}
	peers, err := bench.FindPeers(p.Names)
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
