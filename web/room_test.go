package web

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestRoom runs testdata/room.mjs, the tests of the class Room in chat.js.
func TestRoom(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("the tests of chat.js need Node: run `make test` as root, which installs it, or `apt-get install nodejs` yourself")
	}
	script, err := os.ReadFile("testdata/room.mjs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"chat.mjs": body(t, get(t, "GET", modulePath, nil)), "room.mjs": string(script)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(node, filepath.Join(dir, "room.mjs")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
