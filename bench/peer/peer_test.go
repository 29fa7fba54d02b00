package peer

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"webim/bench/option"
)

// Every peer of the table exists.
func TestPeersHaveSources(t *testing.T) {
	root, err := RepositoryRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range All() {
		if seen[p.Name] {
			t.Errorf("%s is there twice", p.Name)
		}
		seen[p.Name] = true
		if _, err := os.Stat(root + "/bench/peers/" + p.Name); err != nil || p.What == "" {
			t.Errorf("%s (%q): %v", p.Name, p.What, err)
		}
	}
}

func TestFindPeers(t *testing.T) {
	if all, err := Find(nil); err != nil || len(all) != len(All()) {
		t.Errorf("%d peers, %v", len(all), err)
	}
	if two, err := Find([]string{"node", "gws"}); err != nil || len(two) != 2 || two[0].Name != "node" || two[1].Name != "gws" {
		t.Errorf("%v, %v", two, err)
	}
	var option *option.Error
	if _, err := Find([]string{"gws", "nonsense"}); !errors.As(err, &option) || !strings.Contains(err.Error(), "gorilla") {
		t.Error(err)
	}
}

func TestRepositoryRootOfElsewhere(t *testing.T) {
	if root, err := RepositoryRoot(t.TempDir()); err == nil {
		t.Error(root)
	}
}

func TestAbsentPeer(t *testing.T) {
	p := Peer{Name: "x", needs: []string{"no-such-program-of-webim"}}
	if why := p.Absent(t.Context()); !strings.Contains(why, "no-such-program-of-webim") {
		t.Error(why)
	}
	if _, _, err := (Peer{Name: "x", serve: []string{"bin/peers/x"}}).Start(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "make peers") {
		t.Error(err)
	}
	bad := Peer{Name: "x", build: []string{"go", "build", "./nothing-of-this-name"}}
	if _, err := exec.LookPath("go"); err == nil {
		root, err := RepositoryRoot(".")
		if err != nil {
			t.Fatal(err)
		}
		if err := bad.Build(t.Context(), root); err == nil || !strings.Contains(err.Error(), "nothing-of-this-name") {
			t.Error(err)
		}
	}
}
