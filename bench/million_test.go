package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// twoFloors is a Million of two floor servers, which are chat rooms too, and two client processes.
func twoFloors() (Million, Config) {
	return Million{Clients: 400, Servers: 2, Size: FixedSize(128), Server: strings.Join(floorCommand("127.0.0.1:0"), " ")},
		Config{Settle: time.Millisecond, Timeout: 10 * time.Second, Worker: workerCommand()}
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

// A server that dies, or Ctrl-C, while the clients are held: what there is is reported, and no process is left.
func TestMillionEndsEarly(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(server int, cancel func()){
		// the whole group: a shell may stand before the server
		"a server is killed": func(server int, _ func()) { _ = syscall.Kill(-server, syscall.SIGKILL) },
		"Ctrl-C":             func(_ int, cancel func()) { cancel() },
	} {
		o, cfg := twoFloors()
		o.Hold = time.Hour
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		m := &crowdOfMany{}
		var once sync.Once
		var all []int
		cfg.Progress = func(what string, _, _ int) {
			if what == "holding them" {
				once.Do(func() {
					all = m.server().pids
					end(m.servers[1].PID(), cancel)
				})
			}
		}
		r, err := o.run(ctx, cfg, m)
		for _, pid := range append(all, m.crew.processes().pids...) {
			if line := firstOf(fmt.Sprintf("/proc/%d/cmdline", pid)); line != "" { // nobody may have waited for a dead grandchild yet
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
		"too many":         {func(o *Million) { o.Clients, o.Servers = 100e6, 0 }, "or take --clients"},
		"too few servers":  {func(o *Million) { o.Clients = 2*maxClients() + 1 }, "give 3 servers or more"},
		"too many servers": {func(o *Million) { o.Servers = 500 }, "to each server too"},
		"tiny message":     {func(o *Million) { o.Size = FixedSize(3) }, "--size 3"},
	} {
		o, cfg := twoFloors()
		c.change(&o)
		if _, err := o.Run(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What does not fit is refused with a number that does.
func TestRoomFor(t *testing.T) {
	t.Parallel()
	plenty := room{memory: 1 << 50, files: 1 << 40, watches: 1 << 40, processes: 1 << 40}
	for name, c := range map[string]struct {
		has  func(*room)
		what string
	}{
		"all":       {func(*room) {}, ""},
		"unknown":   {func(r *room) { *r = room{} }, ""},
		"memory":    {func(r *room) { r.memory = 8e9 }, "GB of memory"},
		"files":     {func(r *room) { r.files = 1e6 }, "fs.file-max"},
		"watches":   {func(r *room) { r.watches = 500e3 }, "max_user_watches"},
		"processes": {func(r *room) { r.processes = 3000 }, "pid_max"},
	} {
		has := plenty
		c.has(&has)
		err := fits(1000000, 51, has)
		if (err == nil) != (c.what == "") || err != nil && !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err == nil {
			continue
		}
		_, after, _ := strings.Cut(err.Error(), "take --clients ")
		n := limitIn("/nonexistent", 0)
		for _, digit := range after {
			n = 10*n + int64(digit-'0')
		}
		if n <= 0 || n >= 1000000 || fits(int(n), int(n+19607)/19608, has) != nil {
			t.Errorf("%s: %v, but %d is not right either", name, err, n)
		}
	}
}

// Servers log before they say where they listen, and say it in their own words.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]string{
		"webim: open http://127.0.0.1:4321/ in a browser": "ws://127.0.0.1:4321/",
		"listening on 127.0.0.1:4321":                     "ws://127.0.0.1:4321/",
		"listening on [::1]:4321":                         "ws://[::1]:4321/",
	} {
		s, url, err := startAnnounced(context.Background(), "x", []string{"sh", "-c", `echo "limit of files 127.0.0.9:9" >&2; echo "$0"; exec sleep 600`, says})
		if err != nil || url != want {
			t.Errorf("%q: %s %v", says, url, err)
			continue
		}
		s.Stop()
	}
}

func TestAuto(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Auto{"auto": 0, "7": 7} {
		var a Auto
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want || a.String() != text {
			t.Errorf("%s: %v %v", text, a, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "many"} {
		if err := new(Auto).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
