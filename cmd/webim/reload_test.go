package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/centrifugal/protocol"

	"webim/cmd/webim/internal/testcert"
	"webim/netpoll/wstest"
)

// reloading is a program with a file of settings that the test changes.
type reloading struct {
	*program
	t       *testing.T
	file    string
	changed map[string]bool // the keys of the settings that have changed
}

func startReloading(t *testing.T, text string, flags ...string) *reloading {
	t.Helper()
	r := &reloading{t: t, file: write(t, "webim.yaml", text), changed: map[string]bool{}}
	r.program = startProgramOf(t, r.file, append([]string{"--listen", "127.0.0.1:0", "--shutdown-spread", "0s"}, flags...)...)
	return r
}

// reload replaces the file and returns what the program says, or the error.
func (r *reloading) reload(text string) string {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	before := r.now
	said, err := r.program.reload("a test")
	if err != nil {
		return err.Error()
	}
	for _, key := range differing(before, r.now) {
		r.changed[key] = true
	}
	return said
}

func (r *reloading) addr() string { return r.plain[0].String() }

// says checks a part of what a reload has said.
func (r *reloading) says(got, want string) {
	r.t.Helper()
	if !strings.Contains(got, want) {
		r.t.Fatalf("the reload says %q, want %q", got, want)
	}
}

// TestReloadRights checks that members are judged by new rights: those that may stay notice nothing, and the others leave with
// a reason, in both dialects.
func TestReloadRights(t *testing.T) {
	rooms := func(club string) string {
		return "rooms:\n  - match: club\n    allow: {join: " + club + ", read: anonymous, send: anonymous}\n  - match: '*'\n    allow: {join: anonymous, read: anonymous, send: anonymous}\n"
	}
	r := startReloading(t, rooms("anonymous"))
	session := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	session.Connect(&protocol.ConnectRequest{})
	session.Subscribe(&protocol.SubscribeRequest{Channel: "club"})
	session.Subscribe(&protocol.SubscribeRequest{Channel: "other"})
	inClub, inOther := connect(t, r.addr(), "/club"), connect(t, r.addr(), "/other")
	r.says(r.reload(rooms("[moderator]")), "rooms (changed club) have changed")
	for {
		if push := session.Push(); push.Unsubscribe != nil {
			if push.Channel != "club" || push.Unsubscribe.Code != 2001 || push.Unsubscribe.Reason != "permission denied" {
				t.Errorf("the session gets %v", push)
			}
			break
		}
	}
	if reason := inClub.ExpectClose(3507); !strings.Contains(reason, "no longer") {
		t.Errorf("the plain client gets the reason %q", reason)
	}
	inOther.echo("still here")
	if push := session.Push(); push.Channel != "other" || push.Pub == nil {
		t.Errorf("the session gets %v from the room in which it stays", push)
	}
	c, status := (&client{wstest.Dial(t, r.addr()), t}).open("/club")
	if c != nil || status != http.StatusForbidden {
		t.Errorf("a new client of the room gets %d", status)
	}
	r.says(r.reload(rooms("anonymous")), "rooms (changed club) have changed")
	connect(t, r.addr(), "/club").echo("open again")
}

// TestReloadAdmitted checks that what the backend has decided stays in force: a client that it has admitted keeps its place.
func TestReloadAdmitted(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"result":{}}`) }))
	t.Cleanup(s.Close)
	settings := "hook_subscribe: " + s.URL + "\nrooms:\n  - match: '*'\n    allow: {join: [moderator], read: [moderator], send: anonymous}\n"
	r := startReloading(t, "open: false\n"+settings, "--insecure")
	session := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
	session.Connect(&protocol.ConnectRequest{})
	session.Subscribe(&protocol.SubscribeRequest{Channel: "club"})
	r.says(r.reload(settings+"log_level: debug\n"), "log_level (info → debug) have changed")
	session.Publish("club", `1`)
	if push := session.Push(); push.Pub == nil {
		t.Errorf("the client gets %v", push)
	}
	session.Leave()
}

// reloadOthers changes the origins and the log level, together with a hook and a rate.
func reloadOthers(t *testing.T) *reloading {
	backend := func(user string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"result":{"user":%q}}`, user)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	first, second := backend("ann"), backend("bob")
	all := "rooms:\n  - match: '*'\n    allow: {join: anonymous, read: anonymous, send: anonymous, presence: anonymous}\n    presence: true\n"
	r := startReloading(t, "open: false\nhook_connect: "+first+"\n"+all, "--insecure")
	userOf := func() string {
		t.Helper()
		s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false)
		s.Connect(&protocol.ConnectRequest{})
		s.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		reply := s.Ask(&protocol.Command{Presence: &protocol.PresenceRequest{Channel: "r"}})
		for _, info := range reply.Presence.Presence {
			s.Leave()
			return info.User
		}
		t.Fatal("nobody is present")
		return ""
	}
	if got := userOf(); got != "ann" {
		t.Errorf("the first backend says %q", got)
	}
	const page = "https://chat.example.com"
	if c, _ := dial(t, "tcp", r.addr(), page, nil); c != nil {
		t.Error("an unknown page may connect")
	}
	said := r.reload("hook_connect: " + second + "\nallow_origin: [" + page + "]\nlog_level: debug\nrate_send: 1/24h\nloops: 3\n" + all)
	r.says(said, "allow_origin (none → "+page+"), hook_connect ("+first+" → "+second+"), log_level (info → debug), rate_send (50/10s → 1/24h) have changed; these need webim upgrade: loops (auto → 3)")
	wstest.Eventually(t, "the session of the first user has left", func() bool { return r.hub.Stats().Members == 0 })
	if got := userOf(); got != "bob" {
		t.Errorf("the second backend says %q", got)
	}
	if !r.program.log.Enabled(t.Context(), -4) {
		t.Error("debug lines are off")
	}
	s := wstest.OpenProtocol(t, r.addr(), "/connection/websocket", false, "Origin: "+page)
	s.Connect(&protocol.ConnectRequest{})
	s.Subscribe(&protocol.SubscribeRequest{Channel: "rates"})
	s.Publish("rates", `"one"`)
	if err := s.ExpectError(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "rates", Data: []byte(`"two"`)}}); err.Code != 111 {
		t.Errorf("above the new rate: %v", err)
	}
	s.Leave()
	return r
}

// TestReloadWrong checks that a mistake leaves everything as it was, however much else has changed.
func TestReloadWrong(t *testing.T) {
	key := write(t, "key", longSecret)
	good := "token_secret_file: " + key + "\nrooms:\n  - match: a\n    allow: {join: user, read: user}\n"
	r := startReloading(t, good, "--api-key", longSecret, "--internal", "127.0.0.1:0")
	before, live := *r.now, r.live.Load()
	for text, want := range map[string]string{
		"log_level: loud\n": `log_level: "loud" is not known`,
		"no such: thing\n":  `there is no setting "no such"`,
		"log_level: debug\nallow_origin: [chat.example]\n":            "is not an origin",
		"log_level: debug\ntoken_secret_file: /nowhere\n":             "no such file",
		"log_level: debug\nmax_queue: 1MiB\nmax_queued: 1KiB\n":       "lower the first or raise the second",
		"log_level: debug\n- : [":                                     "not YAML",
		good + "hook_connect: ftp://x\n":                              "is not a URL",
		good + "tls_cert: /nowhere\n":                                 "without a key",
		good + "max_rooms_per_conn: 300\n":                            "max_commands",
		good + "rate_join: 5/1m\nlog_level: debug\n":                  "joining 5 rooms at once",
		"rooms:\n  - match: a\n    allow: {jump: user}\nopen: true\n": `no action "jump"`,
	} {
		if got := r.reload(text); !strings.Contains(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if r.live.Load() != live || r.now.LogLevel != before.LogLevel || r.program.log.Enabled(t.Context(), -4) {
			t.Fatalf("%q has changed something", text)
		}
	}
	r.says(r.reload(good), "nothing has changed")
	r.says(r.reload("open: true\n"), "open (false → true), rooms (removed a), token_secret_file ("+key+" → none) have changed")
}

// TestReloadNeedsUpgrade checks that a reload names the times of pings, the first certificate and the removal of the last one as changes
// that need an upgrade, with their values, in its answer and in the log, and puts the others into force.
func TestReloadNeedsUpgrade(t *testing.T) {
	cert, key := testcert.New(t, 0, time.Hour, "localhost")
	tls := "tls_listen: [127.0.0.1:0]\ntls_cert: " + write(t, "cert", cert) + "\ntls_key: " + write(t, "key", key) + "\n"
	pings := "ping_interval: 1m\npong_timeout: 20s\n"
	for _, c := range []struct{ before, after, how string }{
		{"", tls, "tls_cert (none → "},
		{tls, "", "tls_cert (/"},
	} {
		r, log := startReloading(t, "open: true\n"+c.before), new(wstest.Log)
		said := r.reload("open: true\nmax_rooms: 77\n" + pings + c.after)
		r.says(said, "max_rooms (100000 → 77) have changed; these need webim upgrade: ping_interval (25s → 1m), pong_timeout (10s → 20s), "+c.how)
		again, err := r.now.Reload(r.Prepared)
		if err != nil {
			t.Fatal(err)
		}
		again.Prepared.Close()
		(&program{log: slog.New(slog.NewTextHandler(log, nil))}).report(again, "a test")
		if line := log.String(); !strings.Contains(line, `msg="these settings have changed, too, and need webim upgrade" settings="ping_interval (25s → 1m), pong_timeout (10s → 20s), `+c.how) {
			t.Errorf("the log has %s", line)
		}
		if r.now.PingInterval != 25*time.Second || (r.now.TLSCert == "") != (c.before == "") || (r.Certs == nil) != (c.before == "") || r.hub.Config().MaxRooms != 77 {
			t.Errorf("in force are %v, %q and %d rooms", r.now.PingInterval, r.now.TLSCert, r.hub.Config().MaxRooms)
		}
	}
}

// TestReloadCommand checks the way through the internal address.
func TestReloadCommand(t *testing.T) {
	addr := wstest.FreeAddr(t).String()
	file := write(t, "webim.yaml", "open: true\n")
	r := startProgramOf(t, file, "--listen", "127.0.0.1:0", "--internal", addr, "--api-key", longSecret, "--shutdown-spread", "0s")
	defer r.running(t)()
	args := []string{"reload", "--config", file, "--internal", addr, "--engine", "memory"}
	if code, out, errs := webim("", []string{"WEBIM_API_KEY=" + longSecret}, args...); code != 0 || out != "the settings are reloaded: nothing has changed\n" {
		t.Errorf("%d %q %q", code, out, errs)
	}
	if code, _, errs := webim("", []string{"WEBIM_API_KEY=another" + longSecret}, args...); code != 1 || !strings.Contains(errs, "needs a key") {
		t.Errorf("with a wrong key: %d %q", code, errs)
	}
	if code, _, errs := webim("", nil, args...); code != 2 || !strings.Contains(errs, "add --api-key-file") {
		t.Errorf("without a key: %d %q", code, errs)
	}
	answer, err := http.Post("http://"+addr+"/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a key: %s %s", answer.Status, b)
	}
	http.DefaultClient.CloseIdleConnections()
}
