package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"webim/bench/attack"
	"webim/bench/client"
	"webim/netpoll/wstest"
)

// attackedRooms allows everybody everything that the attacks use. Its rates allow the bystander ten messages per second,
// or all messages that are due at once after the machine did not run it.
const attackedRooms = `rate_send: 1000/5s
user_rate_send: 1000/5s
rooms:
  - match: "*"
    history: 100
    recover: true
    presence: true
    join_leave: true
    allow: {join: anonymous, read: anonymous, history: anonymous, presence: anonymous, send: anonymous}
`

// Small versions of all attacks on webim: the bystander loses nothing, and memory and files
// return. The attacker has no token, and the default limits.
func TestAttacksOnWebim(t *testing.T) {
	t.Parallel()
	server, bench := buildPrograms(t)
	dir := t.TempDir()
	settings := filepath.Join(dir, "webim.yaml")
	if err := os.WriteFile(settings, []byte(attackedRooms), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dialect := range []string{client.Plain, client.Centrifuge} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			at, name := wstest.FreeAddr(t).String(), filepath.Join(dir, dialect+".json")
			args := []string{"attack", "--url", "ws://" + at + "/", "--cmd", server + " serve --open --engine memory --config " + settings + " --shutdown-spread 1ms --log-level error --listen " + at,
				"--dialect", dialect, "--json", name, "--no-latency", "--connections", "20", "--bytes", "1048576", "--window", "1500ms", "--baseline", "200ms",
				"--recovery", "30s", "--grace", "30s"}
			if dialect == client.Centrifuge { // the other attacks do not depend on the dialect
				args = append(args, "--only", "blank-line-bomb,stuck-readers,subscribe-storm,history-amplification,join-leave-churn,recovery-amplification")
			}
			out, code := runProgram(t, bench, args...)
			if code != 0 || !strings.Contains(out, "THE MUSTS HOLD") {
				t.Errorf("exit %d: %s", code, out)
			}
			checkAttacks(t, name)
		})
	}
}

// checkAttacks checks that each attack reached the server and was measured.
func checkAttacks(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var r attack.Report
	if err := json.Unmarshal(b, &r); err != nil || len(r.Attacks) == 0 {
		t.Fatalf("%v: %d attacks", err, len(r.Attacks))
	}
	for _, a := range r.Attacks {
		if a.Skipped != "" || !a.Server.Known || a.Server.RSSPeak == 0 || a.Attacker.Dialed == 0 || a.Bystander.Sent == 0 {
			t.Errorf("%s was not carried out: skipped %q, %+v %+v", a.Name, a.Skipped, a.Server, a.Attacker)
		}
	}
}

// The flags that protect other targets, and the list of attacks.
func TestAttackFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, says string }{
		{"attack --url ws://192.0.2.1:9/", "--allow-remote"},
		{"attack --only nonsense", "half-message"},
		{"attack --only subscribe-storm", "plain dialect"},
		{"attack --memory-limit 100", "--cmd or --peer"},
		{"attack --peer nonsense", "gorilla"},
		{"attack --connections 0", "--connections 0"},
	} {
		if out, code := program(t, strings.Fields(c.args)...); code != exitUsage || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit %d: %s", c.args, code, out)
		}
	}
	if out, code := program(t, "attack", "--list", "--dialect", "centrifuge"); code != 0 || !strings.Contains(out, "recovery-amplification") {
		t.Errorf("exit %d: %s", code, out)
	}
}
