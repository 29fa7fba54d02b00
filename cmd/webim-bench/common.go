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

	"webim/bench"
)

// common are the flags of all scenarios.
type common struct {
	URL       string        `default:"ws://127.0.0.1:9501/" help:"The server; the path is the room." name:"url"`
	TLS       bool          `help:"Take wss instead of ws; certificates are not checked. Some 10 KB and a microsecond a record more for the client; the floor stays without." name:"tls"`
	PID       int           `help:"The server's process, root of a tree; found by itself when the server listens here." name:"pid" xor:"server"`
	Cmd       string        `help:"Start this server, wait until it answers, stop it at the end." name:"cmd" xor:"server"`
	JSON      string        `help:"Write the report here too, for machines." name:"json" type:"path"`
	HTML      string        `help:"Write the report here too, as one page for people that loads nothing." name:"html" type:"path"`
	Runs      int           `default:"1" help:"Run so often; --json gets one report after the other, for compare. A server of --cmd is started anew each time." name:"runs"`
	Label     string        `help:"What to call the server in the report." name:"label"`
	Header    []string      `help:"More headers for the upgrade, as 'Name: value'." sep:"none"`
	Origin    string        `help:"The Origin header of the upgrade." name:"origin"`
	Dialect   string        `enum:"plain,centrifuge" default:"plain" help:"plain: what comes in goes to all, the path is the room. centrifuge: the Centrifuge protocol, version 2, in JSON, at /connection/websocket unless --url names a path." name:"dialect"`
	Token     string        `help:"The clients' token: in the connect command, or as ?token= in the plain dialect." name:"token" env:"WEBIM_BENCH_TOKEN"`
	Channel   string        `help:"The room in the centrifuge dialect; lobby if empty." name:"channel"`
	Protocol  []string      `help:"Subprotocols to offer." name:"subprotocol"`
	Compress  bool          `help:"Offer permessage-deflate; messages are deflated and inflated if the server takes it." name:"compress"`
	Processes int           `help:"Client processes, for idle, flood, fanout and quiet; 0: one, or as many as the limit of open files asks for." name:"processes"`
	Receivers int           `help:"Threads that read; 0: one, two for storm."`
	InFlight  int           `default:"400" help:"Handshakes under way at most; keep it below the server's accept queue." name:"handshakes"`
	Sources   int           `default:"16" help:"Loopback addresses to connect from; -1 leaves it to the kernel."`
	Timeout   time.Duration `default:"10s" help:"For a handshake, and for a message that does not come."`
	Settle    time.Duration `default:"3s" help:"Pause before the server's memory is read."`
}

// scenario is one of package bench's.
type scenario interface {
	Run(ctx context.Context, cfg bench.Config) (*bench.Report, error)
}

// measure runs a scenario, as often as asked for, and writes its reports. The exit code is of the worst run.
func (c common) measure(ctx context.Context, name string, s scenario) (code int) {
	cfg, err := c.config(name)
	if err != nil {
		return fail(err)
	}
	if err := raiseFiles(); err != nil {
		return fail(err)
	}
	var all []*bench.Report
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
			break // the next run would fare no better
		}
	}
	if err := c.write(all); err != nil {
		return fail(err)
	}
	return code
}

// once runs a scenario and shows its report, whole or not; it is nil if there is none.
func (c common) once(ctx context.Context, cfg bench.Config, s scenario) (r *bench.Report, code int) {
	if c.Cmd != "" {
		server, err := bench.StartServer(ctx, c.Cmd, cfg.URL)
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

// write writes the reports to where the flags say.
func (c common) write(all []*bench.Report) error {
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
		if err := writeFile(c.HTML, func(w io.Writer) error { return bench.WriteHTML(w, all) }); err != nil {
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

// config turns the flags into bench's Config.
func (c common) config(scenario string) (bench.Config, error) {
	cfg := bench.Config{URL: c.URL, PID: c.PID, Receivers: c.Receivers, Processes: c.Processes, Sources: c.Sources, InFlight: c.InFlight,
		Timeout: c.Timeout, Settle: c.Settle, Header: http.Header{},
		Origin: c.Origin, Protocols: c.Protocol, Label: c.Label, Version: version, Command: c.shownCommand(), Compress: c.Compress,
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
		return cfg, &usageError{fmt.Errorf("--runs %d: give one at least", c.Runs)}
	}
	if c.Receivers < 0 || c.Processes < 0 || c.InFlight < 1 || c.Timeout <= 0 {
		return cfg, &usageError{fmt.Errorf("--receivers and --processes must not be below zero, --handshakes and --timeout must be above")}
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

// shownCommand is the command line for reports, without tokens and passwords.
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

// raiseFiles raises the soft limit of open files to the hard one: each client is a file.
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
