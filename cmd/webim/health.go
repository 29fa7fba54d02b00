package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/initial"
	"webim/cmd/webim/internal/listen"
	"webim/cmd/webim/internal/probe"
)

// healthCommand is webim health.
type healthCommand struct {
	config.Flags
	Ready bool          `help:"Ask whether it is ready for clients (/ready) instead of whether it serves (/health)."`
	Wait  time.Duration `default:"5s" placeholder:"TIME" help:"How long to wait for the answer."`
}

// run asks the internal address, or else the first address for clients, and prints the answer.
func (h *healthCommand) run(c *config.Config, _ io.Reader, out, _ io.Writer) error {
	target, err := healthTarget(c)
	if err != nil {
		return err
	}
	path := "/health"
	if h.Ready {
		path = "/ready"
	}
	answer, err := probe.Ask(context.Background(), target, path, h.Wait)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, answer)
	return err
}

// healthTarget returns an address on which webim serves with these settings. One where the PROXY protocol is spoken is
// taken last, because a listed proxy on this machine would have to begin with a header.
func healthTarget(c *config.Config) (t probe.Target, err error) {
	for _, texts := range [][]string{{c.Internal}, c.Listen, c.TLSListen} {
		for _, text := range texts {
			a, err := listen.Parse(text)
			if err != nil || a.AnyPort() {
				continue
			}
			found := probe.Target{Network: a.Network, Addr: a.Name, TLS: len(c.TLSListen) > 0 && &texts[0] == &c.TLSListen[0]}
			if !slices.Contains(c.ProxyProtocol, text) {
				return found, nil
			}
			t = found
		}
	}
	if t.Addr == "" {
		return t, config.Usagef("webim health does not know on which port webim serves: write a port in --listen, --tls-listen or --internal.")
	}
	return t, nil
}

// initCommand is webim init.
type initCommand struct {
	Data   string `default:"/var/lib/webim" placeholder:"DIR" help:"Folder of the messages that the configuration names."`
	Folder string `arg:"" optional:"" default:"." help:"Folder of the files, made if it does not exist."`
}

// run writes the files and prints their names.
func (i *initCommand) run(out io.Writer) error {
	paths, err := initial.Write(i.Folder, i.Data)
	if err != nil {
		return err
	}
	for _, path := range paths {
		fmt.Fprintln(out, path)
	}
	_, err = fmt.Fprintf(out, "Look at the first, then run: webim check --config %s\n", paths[0])
	return err
}
