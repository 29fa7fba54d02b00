package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"webim/bench/client"
	"webim/bench/page"
	"webim/bench/proc"
	"webim/bench/report"
)

// common holds the flags of all scenarios.
type common struct {
	URL       string        `default:"ws://127.0.0.1:9501/" help:"URL of the server; the path is the room." name:"url"`
	TLS       bool          `help:"Use wss instead of ws, without checking certificates. TLS costs the client some 10 KB per connection and a microsecond per record; the floor never uses TLS." name:"tls"`
	PID       int           `help:"Process id of the server, including its child processes; found automatically if the server listens on this machine." name:"pid" xor:"server"`
	Cmd       string        `help:"Start a server with this command, wait until it answers, and stop it at the end." name:"cmd" xor:"server"`
	JSON      string        `help:"Also write the report to this file, as JSON." name:"json" type:"path"`
	HTML      string        `help:"Also write the report to this file, as one HTML page without external resources." name:"html" type:"path"`
	Runs      int           `default:"1" help:"Number of runs; --json gets all reports one after the other, for compare. A server of --cmd is restarted for each run." name:"runs"`
	Label     string        `help:"Name of the server in the report." name:"label"`
	Header    []string      `help:"Additional header of the upgrade request, as 'Name: value'; repeatable." sep:"none"`
	Origin    string        `help:"Origin header of the upgrade request." name:"origin"`
	Dialect   string        `enum:"plain,centrifuge" default:"plain" help:"plain: the server sends each message to the whole room, and the path is the room. centrifuge: the Centrifuge protocol, version 2, in JSON, at /connection/websocket unless --url has a path." name:"dialect"`
	Token     string        `help:"Token of the clients: in the connect command, or as ?token= in the plain dialect." name:"token" env:"WEBIM_BENCH_TOKEN"`
	Channel   string        `help:"Room in the centrifuge dialect; empty means lobby." name:"channel"`
	Protocol  []string      `help:"Subprotocols to offer." name:"subprotocol"`
	Compress  bool          `help:"Offer permessage-deflate, and compress messages if the server accepts it." name:"compress"`
	Processes int           `help:"Number of client processes, for idle, flood, fanout and quiet; 0 means one, or as many as the limit of open files requires." name:"processes"`
	Receivers int           `help:"Number of threads that read; 0 means one, and two for storm."`
	InFlight  int           `default:"400" help:"Maximum number of concurrent handshakes; keep it below the server's accept queue." name:"handshakes"`
	Sources   int           `default:"16" help:"Number of loopback addresses to connect from; -1 lets the kernel choose."`
	Timeout   time.Duration `default:"10s" help:"Time limit for a handshake, and for a missing message."`
	Settle    time.Duration `default:"3s" help:"Pause before reading the server's memory."`
}

// measurement is a scenario of package scenario.
type measurement interface {
	Run(ctx context.Context, cfg client.Config) (*report.Report, error)
}

// measure runs a scenario --runs times and writes its reports. The exit code is that of the
// last failed run.
func (c common) measure(ctx context.Context, name string, s measurement) (code int) {
	cfg, err := c.config(name)
	if err != nil {
		return fail(err)
	}
	if err := raiseFiles(); err != nil {
		return fail(err)
	}
	var all []*report.Report
	for i := range c.Runs {
		if c.Runs > 1 {
			cfg.Label = strings.TrimSpace(fmt.Sprintf("%s run %d", c.Label, i+1))
		}
		r, end := c.once(ctx, cfg, s)
		if r != nil {
			all = append(all, r)
		}
		if end != 0 {
			code = end
		}
		if end != 0 && end != exitLimited {
			break // the next run would fail, too
		}
	}
	if err := c.write(all); err != nil {
		return fail(err)
	}
	return code
}

// once runs a scenario once and prints its report, complete or not. r is nil if there is none.
func (c common) once(ctx context.Context, cfg client.Config, s measurement) (r *report.Report, code int) {
	if c.Cmd != "" {
		server, err := startServer(ctx, c.Cmd, cfg.URL)
		if err != nil {
			return nil, fail(err)
		}
		defer server.Stop()
		cfg.PID = server.PID()
	}
	bar := newBar()
	cfg.Progress = bar.show
	r, err := s.Run(ctx, cfg)
	bar.end()
	if r == nil {
		return nil, fail(err)
	}
	if werr := r.WriteText(os.Stdout); werr != nil && err == nil {
		err = werr
	}
	switch {
	case err != nil:
		return r, fail(err)
	case r.Interrupted:
		return r, exitInterrupted
	case r.Limited():
		return r, exitLimited
	}
	return r, 0
}

// startServer starts the server of --cmd and waits until the address of --url answers.
func startServer(ctx context.Context, command, url string) (*proc.Server, error) {
	target, err := client.ParseTarget(url)
	if err != nil {
		return nil, err
	}
	return proc.StartServer(ctx, command, target.Addr.String())
}

// write writes the reports to the files that the flags name.
func (c common) write(all []*report.Report) error {
	if len(all) == 0 {
		return nil
	}
	if c.JSON != "" {
		err := writeFile(c.JSON, func(w io.Writer) error {
			for _, r := range all {
				if err := r.WriteJSON(w); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("--json: %w", err)
		}
	}
	if c.HTML != "" {
		if err := writeFile(c.HTML, func(w io.Writer) error { return page.WriteHTML(w, all) }); err != nil {
			return fmt.Errorf("--html: %w", err)
		}
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// config converts the flags to a client.Config.
func (c common) config(scenario string) (client.Config, error) {
	cfg := client.Config{URL: c.URL, PID: c.PID, Receivers: c.Receivers, Processes: c.Processes, Sources: c.Sources, InFlight: c.InFlight,
		Timeout: c.Timeout, Settle: c.Settle, Header: http.Header{},
		Origin: c.Origin, Protocols: c.Protocol, Label: c.Label, Command: c.shownCommand(), Compress: c.Compress,
		Dialect: c.Dialect, Channel: c.Channel, Token: c.Token}
	if c.TLS {
		cfg.URL = strings.Replace(cfg.URL, "ws://", "wss://", 1)
	}
	if several := map[string]bool{"idle": true, "flood": true, "fanout": true, "quiet": true}; c.Processes > 0 && !several[scenario] {
		return cfg, &usageError{fmt.Errorf("--processes: %s has its clients in one process; idle, flood, fanout and quiet can have several", scenario)}
	}
	if strings.ContainsAny(c.Origin+strings.Join(c.Protocol, ""), " ,\r\n") {
		return cfg, &usageError{fmt.Errorf("--origin and --subprotocol must not hold spaces or line ends")}
	}
	if c.Runs < 1 {
		return cfg, &usageError{fmt.Errorf("--runs %d: the number must be at least 1", c.Runs)}
	}
	if c.Receivers < 0 || c.Processes < 0 || c.InFlight < 1 || c.Timeout <= 0 {
		return cfg, &usageError{fmt.Errorf("--receivers and --processes must be at least 0, and --handshakes and --timeout greater than 0")}
	}
	for _, h := range c.Header {
		name, value, ok := strings.Cut(h, ":")
		if !ok || strings.ContainsAny(h, "\r\n") {
			return cfg, &usageError{fmt.Errorf("--header %q: write it as 'Name: value'", h)}
		}
		cfg.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return cfg, nil
}

// shownCommand returns the command line for reports, without tokens and passwords.
func (c common) shownCommand() string {
	text := strings.Join(os.Args, " ")
	if u, err := url.Parse(c.URL); err == nil {
		text = strings.ReplaceAll(text, c.URL, u.Redacted())
	}
	if c.Token != "" {
		text = strings.ReplaceAll(text, c.Token, "TOKEN")
	}
	return text
}

// raiseFiles raises the soft limit of open files to the hard limit, because each client is a
// file.
func raiseFiles() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("the limit of open files: %w", err)
	}
	l.Cur = l.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return fmt.Errorf("raising the limit of open files to %d: %w", l.Max, err)
	}
	return nil
}
