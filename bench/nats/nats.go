// Package nats runs a NATS server with JetStream in a process of its own: alone, or as one of a cluster. It is the
// nats-server that webim contains, so nothing has to be installed.
package nats

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"webim/bench/option"
	"webim/bench/proc"
)

// startTimeout is how long a server may take to listen, with a large store.
const startTimeout = time.Minute

// maxPayload is the size of a message that webim may send, in bytes.
const maxPayload = 8 << 20

// Options are the flags of a server. Servers with the same Cluster, different names, and Routes to each other are one
// cluster.
type Options struct {
	Listen        string   `default:"127.0.0.1:4222" help:"IPv4 address and port for clients; port 0 means a free port."`
	Data          string   `required:"" help:"Folder of the streams."`
	MaxStore      int64    `default:"10737418240" help:"Bytes that the streams may take together."`
	Name          string   `help:"Name of the server in its cluster."`
	Cluster       string   `help:"Name of the cluster; empty means none."`
	ClusterListen string   `help:"IPv4 address and port for the other servers of the cluster."`
	Routes        []string `help:"Addresses of the other servers of the cluster, as nats://ADDRESS."`
}

// Serve runs a server until ctx ends. It calls ready with the address for clients when the server listens there. The server of a
// cluster may then still be looking for the others.
func Serve(ctx context.Context, o Options, ready func(netip.AddrPort)) error {
	opts, err := o.server()
	if err != nil {
		return err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("the NATS server: %w", err)
	}
	s.SetLoggerV2(errorLog{}, false, false, false)
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(startTimeout) {
		return fmt.Errorf("the NATS server does not listen on %s after %s", o.Listen, startTimeout)
	}
	at, err := netip.ParseAddrPort(s.Addr().String())
	if err != nil {
		return fmt.Errorf("the NATS server: %w", err)
	}
	ready(at)
	<-ctx.Done()
	return nil
}

// server returns the options in the form of nats-server.
func (o Options) server() (*server.Options, error) {
	host, port, err := split("--listen", o.Listen)
	if err != nil {
		return nil, err
	}
	opts := &server.Options{ServerName: o.Name, Host: host, Port: port, NoSigs: true, JetStream: true, StoreDir: o.Data, JetStreamMaxStore: o.MaxStore,
		JetStreamMaxMemory: 64 << 20, MaxPayload: maxPayload, MaxPending: 256 << 20, SyncInterval: time.Second}
	if o.Cluster == "" {
		return opts, nil
	}
	opts.Cluster.Name = o.Cluster
	if opts.Cluster.Host, opts.Cluster.Port, err = split("--cluster-listen", o.ClusterListen); err != nil {
		return nil, err
	}
	for _, route := range o.Routes {
		u, err := url.Parse(route)
		if err != nil || u.Host == "" {
			return nil, option.Bad("--routes %q: give addresses as nats://127.0.0.1:6222", route)
		}
		opts.Routes = append(opts.Routes, u)
	}
	return opts, nil
}

// split returns the parts of an address. Port 0 becomes the number that nats-server takes for any free port.
func split(flag, address string) (host string, port int, err error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().Is4() {
		return "", 0, option.Bad("%s %q: give an IPv4 address and port, like 127.0.0.1:4222", flag, address)
	}
	if at.Port() == 0 {
		return at.Addr().String(), server.RANDOM_PORT, nil
	}
	return at.Addr().String(), int(at.Port()), nil
}

// errorLog writes warnings and errors of the server to standard error.
type errorLog struct{}

func (errorLog) Noticef(string, ...any) {}
func (errorLog) Debugf(string, ...any)  {}
func (errorLog) Tracef(string, ...any)  {}

func (errorLog) Warnf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "warning: "+format+"\n", args...)
}

func (errorLog) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "error: "+format+"\n", args...)
}

func (errorLog) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "fatal: "+format+"\n", args...)
}

// Process is a server in a child process.
type Process struct {
	*proc.Server
	URL string // nats://ADDRESS
}

// Command returns the command that starts a server as a child of this program.
func Command(o Options) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the NATS server: %w", err)
	}
	argv := []string{self, "nats", "--listen", o.Listen, "--data", o.Data}
	if o.MaxStore > 0 {
		argv = append(argv, "--max-store", fmt.Sprint(o.MaxStore))
	}
	if o.Cluster != "" {
		argv = append(argv, "--name", o.Name, "--cluster", o.Cluster, "--cluster-listen", o.ClusterListen, "--routes", strings.Join(o.Routes, ","))
	}
	return argv, nil
}

// Start starts a server by its command and waits until it listens.
func Start(ctx context.Context, command []string) (*Process, error) {
	s, url, err := proc.StartAnnounced(ctx, "the NATS server", command)
	if err != nil {
		return nil, err
	}
	return &Process{s, "nats://" + strings.TrimSuffix(strings.TrimPrefix(url, "ws://"), "/")}, nil
}
