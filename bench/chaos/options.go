package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"webim/bench/option"
)

// Options are the flags of the command chaos.
type Options struct {
	Seed    uint64        `help:"Seed of the faults and of what the clients do; the same seed has the same faults at the same times. 0 chooses one, and the report names it."`
	For     time.Duration `name:"for" default:"60s" help:"Duration of the load and the faults. Starting and catching up come on top."`
	Clients int           `default:"90" help:"Number of clients, spread over three nodes. One in ten speaks the plain dialect."`
	Rooms   int           `default:"6" help:"Number of rooms. Each client is in two of them."`
	Rate    float64       `default:"60" help:"Messages per second of all clients together."`
	Only    []string      `help:"Only these faults, separated by commas; none: no faults." placeholder:"KIND"`
	Bound   time.Duration `default:"30s" help:"A ban must hold on all nodes this long after it was confirmed. Faults cut a node off for some seconds each."`
	CatchUp time.Duration `name:"catch-up" default:"2m" help:"When all faults are over, everybody must have everything within this time."`
	Webim   string        `default:"bin/chaos/webim" help:"The server, built with -tags chaos: only such a build has a clock that can be moved." type:"path"`
	NATS    string        `name:"nats-server" default:"bin/chaos/nats-server" help:"The NATS server." type:"path"`
	Dir     string        `name:"dir" help:"Keep the report, the record and the logs of all processes in this folder; without it they are kept only after a failure, in a folder that the report names." type:"path"`
}

// The numbers of processes. Three NATS servers are the fewest that survive the loss of one.
const (
	nodes   = 3
	servers = 3
)

// check checks the flags, and chooses a seed.
func (o *Options) check() error {
	for o.Seed == 0 {
		o.Seed = rand.Uint64N(1 << 32)
	}
	if len(o.Only) == 0 {
		o.Only = slices.Clone(Kinds)
	} else if slices.Equal(o.Only, []string{"none"}) {
		o.Only = nil
	}
	for _, kind := range o.Only {
		if !slices.Contains(Kinds, kind) {
			return option.Bad("--only %s: the faults are %s", kind, strings.Join(Kinds, ", "))
		}
	}
	switch {
	case o.Clients < 10:
		return option.Bad("--clients %d: at least 10", o.Clients)
	case o.Rooms < 2:
		return option.Bad("--rooms %d: at least 2", o.Rooms)
	case o.Rate <= 0:
		return option.Bad("--rate %g: more than 0", o.Rate)
	case o.For < 5*time.Second:
		return option.Bad("--for %v: at least 5s", o.For)
	}
	for _, file := range []string{o.Webim, o.NATS} {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("%w: make chaos builds it", err)
		}
	}
	return nil
}
