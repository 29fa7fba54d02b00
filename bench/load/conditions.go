package load

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"webim/bench/client"
	"webim/bench/proc"
	"webim/bench/report"
)

// NewReport creates the report of a scenario and looks up the server's process: Config.PID or, if that is 0, the process
// that listens on the URL's port of this machine. It stores the found number in cfg.PID.
func NewReport(cfg *client.Config, scenario string, options any) (*report.Report, proc.Process, error) {
	t, err := client.ParseTarget(cfg.URL)
	if err != nil {
		return nil, proc.Process{}, err
	}
	if cfg.PID == 0 && t.Addr.Addr().IsLoopback() {
		cfg.PID = proc.ListenerOf(t.Addr.Port())
	}
	p, err := proc.Tree(cfg.PID)
	if err != nil {
		return nil, p, err
	}
	r := &report.Report{Schema: report.Schema, Scenario: scenario, LimitedBy: []string{}, Notes: []string{}, Conditions: conditions()}
	r.Conditions.Commit = commit(cfg.Version)
	r.Conditions.URL, r.Conditions.ServerPID, r.Conditions.Options = cfg.ShownURL(), cfg.PID, options
	r.Conditions.Origin, r.Conditions.Command, r.Label = cfg.Origin, cfg.Command, cfg.Label
	if cfg.Centrifuge() {
		r.Conditions.Dialect, r.Conditions.Channel = cfg.Dialect, cfg.RoomChannel()
	}
	if p.Known() {
		r.Conditions.Server = p.CommandLine()
		r.Conditions.ServerVersion = p.Version()
	} else {
		r.Note("the server's process is unknown, so there are no figures of CPU and memory: give its --pid")
	}
	return r, p, nil
}

// NewConditions returns the conditions for a report of another package.
func NewConditions(cfg client.Config, options any) report.Conditions {
	c := conditions()
	c.Commit, c.URL, c.ServerPID, c.Options, c.Command, c.Dialect = commit(cfg.Version), cfg.ShownURL(), cfg.PID, options, cfg.Command, cfg.Dialect
	if p, err := proc.Tree(cfg.PID); err == nil && p.Known() {
		c.Server, c.ServerVersion = p.CommandLine(), p.Version()
	}
	return c
}

func conditions() report.Conditions {
	c := report.Conditions{Time: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), Go: runtime.Version(),
		Congestion: proc.ReadText("/proc/sys/net/ipv4/tcp_congestion_control")}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		c.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, ok := bytes.Cut(cpuinfo, []byte("model name\t: ")); ok {
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		c.CPU = string(line)
	}
	return c
}

// commit returns the version of the measuring program: the given one or, without one, the commit that the Go command has
// written into the program. A program that was built outside a repository has neither.
func commit(version string) string {
	if version != "" && version != "dev" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if commit := proc.Revision(info); commit != "" {
			return commit
		}
	}
	return "unknown"
}

// Begin creates the report of a scenario and its clients, all absent. Close the clients.
func Begin(cfg *client.Config, scenario string, options any, clients int) (*report.Report, proc.Process, *Local, error) {
	r, server, err := NewReport(cfg, scenario, options)
	if err != nil {
		return nil, server, nil, err
	}
	f, err := NewLocal(*cfg, clients, cfg.Receivers)
	return r, server, f, err
}
