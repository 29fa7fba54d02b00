package main_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"webim/netpoll/wstest"
	"webim/room/flight"
)

// testUpgradeWhy checks that `webim why` explains after an upgrade a close of before it, and one of a connection that has moved, with
// what happened before that.
func testUpgradeWhy(t *testing.T, program string) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	internal := wstest.FreeAddr(t).String()
	m := startMoving(t, program, "--open", "--engine", "memory", "--internal", internal, "--api-key-file", key)
	why := func(count int) (all []flight.Record) {
		t.Helper()
		wstest.Eventually(t, "the records are known", func() bool {
			out, err := exec.Command(program, "why", "--open", "--internal", internal, "--api-key-file", key, "--json", "127.0.0.1").CombinedOutput()
			var f flight.Found
			if err != nil || json.Unmarshal(out, &f) != nil {
				t.Fatalf("%v: %s", err, out)
			}
			all = f.Ended
			return len(all) >= count
		})
		return all
	}
	early, late := wstest.ConnectPath(t, m.addr, "/before"), wstest.ConnectPath(t, m.addr, "/after")
	early.Send(0x81, "a message")
	early.Expect(0x81, "a message")
	early.Leave()
	was := why(1)[0]
	late.Send(0x81, "before")
	late.Expect(0x81, "before")
	m.upgrade()
	late.Leave()
	all := why(2)
	if len(all) != 2 || all[0].Rooms[0] != "after" || all[1].Rooms[0] != "before" {
		t.Fatalf("%+v", all)
	}
	if e := all[0].Events; len(e) != 1 || e[0].Kind != "message" || e[0].Bytes != 6 {
		t.Errorf("the connection that has moved has the events %+v", e)
	}
	is := all[1]
	is.Node, was.Node = "", ""
	a, _ := json.Marshal(is)
	b, _ := json.Marshal(was)
	if string(a) != string(b) || is.MessagesIn != 1 || is.By != "client" {
		t.Errorf("after the upgrade it is %s, before it was %s", a, b)
	}
}
