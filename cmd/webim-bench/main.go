// Command webim-bench measures WebSocket chat servers: the memory, latency and CPU time of any
// server that sends each message to the whole room.
//
//	webim-bench flood --url ws://127.0.0.1:9501/ --rate 300,1000,3000
//	webim-bench idle --cmd "bin/webim serve --dev" --json idle.json
//	webim-bench peers smoke
//	webim-bench million --clients 100000
//	webim-bench attack --cmd "bin/webim serve --open --engine memory" --dialect centrifuge --html attack.html
//
//	webim-bench flood --runs 5 --json before.json; ...; webim-bench compare before.json after.json
//	webim-bench chaos --seed 7 --for 10m
//
// The exit code is 0 on success; 1 if it could not measure, if compare found a figure that got
// worse, if attack found a requirement that does not hold, or if chaos found a violation; 2 for wrong flags; 3 if the
// client was the bottleneck, so that the figures say little about the server; 130 after Ctrl-C,
// with a report of the measurements so far. Package bench documents the measurements and their
// methods.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"webim/bench/client"
	"webim/bench/cluster"
	"webim/bench/floor"
	"webim/bench/nats"
	"webim/bench/option"
	"webim/bench/scenario"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitLimited     = 3
	exitInterrupted = 130
)

// commands are the commands of the command line.
type commands struct {
	common `group:"all"`

	Idle    scenario.Idle    `cmd:"" help:"Memory per idle client in server and kernel, connects per second, CPU time of heartbeats."`
	Flood   scenario.Flood   `cmd:"" help:"Messages into one room at fixed rates: deliveries, latency, losses, CPU time of the server."`
	Fanout  scenario.Fanout  `cmd:"" help:"One message to all clients, the next one when all have received it; compared with the floor."`
	Quiet   scenario.Quiet   `cmd:"" help:"Single messages into a quiet room; compared with the floor."`
	Pair    scenario.Pair    `cmd:"" help:"A room of two beside a flooded room."`
	Storm   scenario.Storm   `cmd:"" help:"All clients lose their connections at once and reconnect at once."`
	Restart scenario.Restart `cmd:"" help:"The server (--cmd) is killed and started again; all clients connect again and recover the messages that they missed."`
	Slow    scenario.Slow    `cmd:"" help:"Some clients never read."`
	Big     scenario.Big     `cmd:"" help:"Memory that remains after one big message per client."`
	Echo    scenario.Echo    `cmd:"" help:"Echo to each client alone, at a fixed rate or as fast as possible."`
	Rooms   scenario.Rooms   `cmd:"" help:"Many rooms of few members, at a rate or in a closed loop; against the floor; what a room costs."`
	Rate    scenario.Rate    `cmd:"" help:"Increase the rate of a flood until the latency exceeds a limit, and report that rate."`
	Churn   scenario.Churn   `cmd:"" help:"Clients connect and disconnect while messages flow: the effect on the others."`
	Soak    scenario.Soak    `cmd:"" help:"A mixed load for hours: drift of memory, files and latency."`
	Attack  attackCmd        `cmd:"" help:"Named attacks beside a bystander in another room: the cost for the attacker, the server and the bystander. Exit code 1 if the bystander suffers or the server does not release memory or files."`
	Chaos   chaosCmd         `cmd:"" help:"Three webim processes and three NATS servers, which are killed, paused and separated at random while clients talk; then every record is checked. Exit code 1 if anything was lost, repeated or reordered. Build with make chaos."`
	Million scenario.Million `cmd:"" help:"As many idle clients as fit on the machine, on as many nodes of webim as needed: the cost of each client, and of a message to all. With --cmd: servers that do not know each other."`
	Floor   floorCmd         `cmd:"" help:"Run the floor server: a bare loop of write(2), the limit to compare with."`

	NATS    natsCmd    `cmd:"" name:"nats" help:"Run a NATS server with JetStream, which nodes of webim can share (webim serve --engine nats)."`
	Cluster clusterCmd `cmd:"" help:"Run webim nodes and a NATS server on this machine, to try out in a browser. Measures nothing."`

	Worker workerCmd `cmd:"" hidden:"" help:"A client process of another webim-bench, controlled by standard input and output."`

	Suite   suiteCmd   `cmd:"" help:"Compare webim with all peers that can run here, in all scenarios that matter, and write a page."`
	Compare compareCmd `cmd:"" help:"Show the figures that got better or worse between two reports, beyond the noise of their runs; exit code 1 if any is worse."`
	Peers   peersCmd   `cmd:"" help:"The other servers to compare webim with: list, build, smoke."`
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var cli commands
	parser, err := kong.New(&cli, kong.Name("webim-bench"),
		kong.Description("Measures WebSocket servers that send each text message to everybody in its room."),
		kong.Groups{"all": "Flags of all scenarios:"})
	if err != nil {
		panic(err) // the struct above is wrong; a test would notice
	}
	cmd, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "webim-bench: %v; see webim-bench --help\n", err)
		return exitUsage
	}
	// Receivers and the sender block in system calls most of the time; each keeps a P until the
	// runtime retakes it.
	runtime.GOMAXPROCS(max(runtime.NumCPU(), cli.Receivers+4))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	return cli.run(ctx, cmd.Command())
}

// run runs a command and returns the exit code.
func (cli *commands) run(ctx context.Context, command string) int {
	switch {
	case command == "floor":
		return fail(cli.Floor.serve(ctx))
	case command == "nats":
		return fail(cli.NATS.serve(ctx))
	case command == "cluster":
		return fail(cli.Cluster.run(ctx))
	case command == "worker":
		return fail(cli.Worker.serve())
	case cli.Compare.Before != "":
		return cli.Compare.run(cli.HTML)
	case strings.HasPrefix(command, "peers "):
		return fail(cli.Peers.run(ctx, command))
	case command == "attack":
		return cli.Attack.run(ctx, cli.common)
	case command == "chaos":
		return cli.Chaos.run(ctx)
	case command == "suite":
		cfg, err := cli.config("suite")
		if err != nil {
			return fail(err)
		}
		return cli.Suite.run(ctx, cli.common, cfg)
	case command == "million": // it starts its servers itself
		cli.Million.Server, cli.Cmd = cli.Cmd, ""
	case command == "restart":
		cli.Restart.Server, cli.Cmd, cli.Dialect = cli.Cmd, "", client.Centrifuge
	}
	chosen, ok := map[string]measurement{"idle": cli.Idle, "flood": cli.Flood, "fanout": cli.Fanout, "quiet": cli.Quiet,
		"pair": cli.Pair, "storm": cli.Storm, "restart": cli.Restart, "slow": cli.Slow, "big": cli.Big,
		"echo": cli.Echo, "rooms": cli.Rooms, "rate": cli.Rate, "churn": cli.Churn, "soak": cli.Soak, "million": cli.Million}[command]
	if !ok {
		return fail(fmt.Errorf("%q is not a scenario", command))
	}
	return cli.measure(ctx, command, chosen)
}

// fail prints the error and returns the exit code.
func fail(err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "webim-bench: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(os.Stderr, "webim-bench: %v\n", err)
	var flag *usageError
	var option *option.Error
	if errors.As(err, &flag) || errors.As(err, &option) {
		return exitUsage
	}
	return exitFailed
}

// usageError reports a wrong flag.
type usageError struct{ error }

// workerCmd runs a client process.
type workerCmd struct{}

func (workerCmd) serve() error {
	if err := raiseFiles(); err != nil {
		return err
	}
	return cluster.ServeWorker(os.Stdin, os.Stdout)
}

// natsCmd runs a NATS server.
type natsCmd struct{ nats.Options }

func (n natsCmd) serve(ctx context.Context) error {
	return nats.Serve(ctx, n.Options, func(a netip.AddrPort) {
		fmt.Printf("the NATS server listens on %s\n", a)
	})
}

// floorCmd runs the floor server.
type floorCmd struct {
	Listen string `default:"127.0.0.1:9601" help:"IPv4 address and port; port 0 means a free port."`
}

func (f floorCmd) serve(ctx context.Context) error {
	if err := raiseFiles(); err != nil {
		return err
	}
	return floor.Serve(ctx, f.Listen, func(a netip.AddrPort) {
		fmt.Printf("the floor server listens on %s\n", a)
	})
}
