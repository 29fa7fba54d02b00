package suite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"webim/bench/client"
	"webim/bench/peer"
	"webim/bench/proc"
	"webim/bench/smoke"
)

// quickPeers are the peers of --quick.
var quickPeers = []string{"gorilla", "coder", "gws", "nbio", "gnet"}

// participant is a server in the comparison.
type participant struct {
	name, what string
	dialect    string
	prepare    func(ctx context.Context) error
	start      func(ctx context.Context) (*proc.Server, string, error)
}

func (o Suite) peers() ([]peer.Peer, error) {
	if len(o.Peers) == 0 && o.Quick {
		return peer.Find(quickPeers)
	}
	return peer.Find(o.Peers)
}

// webim returns the server that all others are compared with.
func (o Suite) webim(root string) participant {
	program := o.Webim
	if !filepath.IsAbs(program) {
		program = filepath.Join(root, program)
	}
	start := func(ctx context.Context) (*proc.Server, string, error) {
		return proc.StartAnnounced(ctx, "webim", []string{program, "serve", "--dev", "--listen", "127.0.0.1:0", "--log-level", "warn"})
	}
	return participant{"webim", "webim", client.Plain, func(ctx context.Context) error {
		s, url, err := start(ctx)
		if err != nil {
			return fmt.Errorf("%w; make build builds it", err)
		}
		defer s.Stop()
		return smoke.Test{URL: url}.Run(ctx)
	}, start}
}

// prepare builds a peer and proves that it has chat rooms, because its figures would have no meaning otherwise.
func prepare(ctx context.Context, p peer.Peer, root string) error {
	if why := p.Absent(ctx); why != "" {
		return errors.New(why)
	}
	if err := p.Build(ctx, root); err != nil {
		return err
	}
	return p.Smoke(ctx, root)
}
