package jetstream

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"webim/room/engine"
	"webim/room/engine/jetstream/natstest"
)

// TestReplacedEntriesLeaveTheFiles checks the rule that the manual has for removed and replaced entries of the State: the server
// writes a block anew, without them, when it is not the newest one and more than half of it is of no use.
func TestReplacedEntriesLeaveTheFiles(t *testing.T) {
	dir := t.TempDir()
	e := openWith(t, Config{Connect: natstest.Start(t, dir).Connect})
	write := func(name, value string) {
		t.Helper()
		if _, err := put(t, e, engine.Entry{Key: engine.Key{Table: engine.TableBan, Name: name}, Version: engine.AnyVersion, Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	const reason = "the reason of a ban that was lifted"
	write("ann", reason)
	write("ann", "another reason")
	if store := (&natsServer{dir: filepath.Join(dir, "jetstream")}); len(filesWith(t, store, reason)) == 0 {
		t.Error("the server has overwritten it at once: change the manual")
	}
	for i := range 10 << 20 / (64 << 10) { // more than a block of 8 MiB
		write("bob", strings.Repeat("x", 64<<10)+fmt.Sprint(i))
	}
	eventually(t, func() error {
		if names := filesWith(t, &natsServer{dir: filepath.Join(dir, "jetstream")}, reason); len(names) > 0 {
			return fmt.Errorf("it is in %v", names)
		}
		return nil
	})
	if is := get(t, e, engine.Key{Table: engine.TableBan, Name: "ann"}); string(is.Value) != "another reason" {
		t.Errorf("the entry is %+v", is)
	}
}
