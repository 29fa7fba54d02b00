package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"webim/bench/benchtest"
	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/proc"
)

// twoFloors returns a Million with two floor servers, which have chat rooms too, and two client processes.
func twoFloors() (Million, client.Config) {
	return Million{Clients: 400, Servers: 2, Size: option.FixedSize(128), Server: strings.Join(benchtest.FloorCommand("127.0.0.1:0"), " ")},
		client.Config{Settle: time.Millisecond, Timeout: 10 * time.Second, Worker: benchtest.WorkerCommand()}
}

func TestMillionSmall(t *testing.T) {
	t.Parallel()
	o, cfg := twoFloors()
	o.Hold = 50 * time.Millisecond
	r, err := o.Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := r.Million
	if m.Servers != 2 || m.Clients != 400 || m.Gone != 0 || len(m.Failures) != 0 || m.Received != 800 || m.Lost != 0 {
		t.Errorf("%+v", m)
	}
	if m.ServerEmpty <= 0 || m.ServerFull <= 0 || m.ClientFull <= 0 || m.Hold == nil || m.Hold.Clients != 400 || m.Last.Min <= 0 || m.AllLast <= 0 || m.PerSec <= 0 {
		t.Errorf("%+v", m)
	}
	if len(r.Notes) == 0 || !strings.Contains(r.Notes[0], "no ping came") { // the floor has no heartbeat
		t.Errorf("notes: %q", r.Notes)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil || !strings.Contains(text.String(), "memory of 400 clients") {
		t.Errorf("%v %s", err, text.String())
	}
	for _, f := range r.Figures() {
		if f.Name() == "" {
			t.Errorf("%+v", f)
		}
	}
}

// If a server dies, or at Ctrl-C, while the clients are held, the figures so far are reported, and no process remains.
func TestMillionEndsEarly(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(server int, cancel func()){
		// the whole group, because a shell may be the parent of the server
		"a server is killed": func(server int, _ func()) { _ = syscall.Kill(-server, syscall.SIGKILL) },
		"Ctrl-C":             func(_ int, cancel func()) { cancel() },
	} {
		o, cfg := twoFloors()
		o.Hold = time.Hour
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m := &millionRun{}
		var once sync.Once
		var all []int
		cfg.Progress = func(what string, _, _ int) {
			if what == "holding them" {
				once.Do(func() {
					all = m.server().PIDs
					end(m.servers[1].PID(), cancel)
				})
			}
		}
		r, err := o.run(ctx, cfg, m)
		for _, pid := range append(all, m.cluster.Processes().PIDs...) {
			if line := proc.ReadText(fmt.Sprintf("/proc/%d/cmdline", pid)); line != "" { // empty for a zombie
				t.Errorf("%s: process %d is left: %s", name, pid, line)
			}
		}
		if ctx.Err() != nil {
			if err != nil || !r.Interrupted {
				t.Errorf("%s: %v %+v", name, err, r)
			}
		} else if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("%s: %v %+v %q", name, err, r.Million, r.Notes)
		}
		if r.Million.Kernel.Slab == 0 || r.Million.ServerFull == 0 {
			t.Errorf("%s: what there was is not reported: %+v", name, r.Million)
		}
	}
}

func TestMillionDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Million)
		says   string
	}{
		"no such server":   {func(o *Million) { o.Server = "/nonexistent" }, "/nonexistent"},
		"ends at once":     {func(o *Million) { o.Server = "echo what" }, "must name the address"},
		"too many":         {func(o *Million) { o.Clients, o.Servers = 100e6, 0 }, "or give --clients"},
		"too few servers":  {func(o *Million) { o.Clients = 2*proc.MaxClients() + 1 }, "give at least 3 servers"},
		"too many servers": {func(o *Million) { o.Servers = 500 }, "to each server"},
		"tiny message":     {func(o *Million) { o.Size = option.FixedSize(3) }, "--size 3"},
	} {
		o, cfg := twoFloors()
		c.change(&o)
		if _, err := o.Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Numbers for which the machine is too small are refused, with a number for which it is not.
func TestCapacity(t *testing.T) {
	t.Parallel()
	plenty := capacity{memory: 1 << 50, files: 1 << 40, watches: 1 << 40, processes: 1 << 40}
	for name, c := range map[string]struct {
		has  func(*capacity)
		what string
	}{
		"all":       {func(*capacity) {}, ""},
		"unknown":   {func(r *capacity) { *r = capacity{} }, ""},
		"memory":    {func(r *capacity) { r.memory = 8e9 }, "GB of memory"},
		"files":     {func(r *capacity) { r.files = 1e6 }, "fs.file-max"},
		"watches":   {func(r *capacity) { r.watches = 500e3 }, "max_user_watches"},
		"processes": {func(r *capacity) { r.processes = 3000 }, "pid_max"},
	} {
		has := plenty
		c.has(&has)
		err := checkAgainst(1000000, 51, has)
		if (err == nil) != (c.what == "") || err != nil && !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err == nil {
			continue
		}
		_, after, _ := strings.Cut(err.Error(), "give --clients ")
		n := proc.ReadLimit("/nonexistent", 0)
		for _, digit := range after {
			n = 10*n + int64(digit-'0')
		}
		if n <= 0 || n >= 1000000 || checkAgainst(int(n), int(n+19607)/19608, has) != nil {
			t.Errorf("%s: %v, but %d is not right either", name, err, n)
		}
	}
}
