package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordIsChecked checks that a folder with another format is left alone.
func TestRecordIsChecked(t *testing.T) {
	for content, want := range map[string]string{
		`{"format":2,"boot":"b","clean":true}`: "a newer webim",
		`{"format":0,"boot":"b"}`:              "damaged",
		`{`:                                    "damaged",
		``:                                     "damaged",
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, recordName)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want an error with %q and the folder", content, err, want)
		}
		if after, err := os.ReadFile(name); err != nil || string(after) != content {
			t.Errorf("%s: the record was changed to %s, %v", content, after, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "jetstream")); !os.IsNotExist(err) {
			t.Errorf("%s: there is a store: %v", content, err)
		}
	}
}

// TestUnclean checks what is known of the last end, in a sequence of uses of one folder.
func TestUnclean(t *testing.T) {
	dir := t.TempDir()
	for i, use := range []struct {
		boot      string
		unclean   bool // want
		recovered bool // the caller deals with it
		clean     bool // the use ends with Close
	}{
		{boot: "1"},                                 // killed
		{boot: "1"},                                 // only the process has ended
		{boot: "2", unclean: true},                  // the machine has ended, but the caller is killed before it deals with it
		{boot: "2", unclean: true, clean: true},     // still not dealt with
		{boot: "2", unclean: true, recovered: true}, // now it is
		{boot: "2", clean: true},                    // killed, no loss
		{boot: "3", clean: true},                    // a clean end before the machine ended
		{boot: "4"},                                 // the same, then killed
		{boot: "5", unclean: true, recovered: true, clean: true}, // lost again
		{boot: "5", clean: true},
	} {
		r := &recordFile{dir: dir}
		if _, err := r.open(func() (string, error) { return use.boot, nil }); err != nil {
			t.Fatal(err)
		}
		if r.unclean() != use.unclean {
			t.Errorf("use %d: unclean is %v", i, r.unclean())
		}
		if use.recovered {
			if err := r.recovered(); err != nil || r.unclean() {
				t.Errorf("use %d: recovered, but unclean is %v, %v", i, r.unclean(), err)
			}
		}
		if use.clean {
			if err := r.closeClean(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestStoreWithoutRecord checks that a restored store is not taken for one that was always here.
func TestStoreWithoutRecord(t *testing.T) {
	dir := t.TempDir()
	for i, want := range []bool{false, false, true, true} {
		if i == 2 {
			if err := os.Remove(filepath.Join(dir, recordName)); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Start(Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if s.Unclean() != want {
			t.Errorf("start %d: unclean is %v", i, s.Unclean())
		}
		stop(t, s)
	}
}

// TestServerKnowsTheMachine checks that Close and Start use the record.
func TestServerKnowsTheMachine(t *testing.T) {
	dir, boot := t.TempDir(), "1"
	cfg := Config{Dir: dir, bootID: func() (string, error) { return boot, nil }}
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	crashed, err := os.ReadFile(filepath.Join(dir, recordName)) // as a power cut would leave it
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	boot = "2"
	if s, err = Start(cfg); err != nil || s.Unclean() {
		t.Fatalf("after Close: %v", err)
	}
	stop(t, s)
	if err := os.WriteFile(filepath.Join(dir, recordName), crashed, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = Start(cfg); err != nil || !s.Unclean() {
		t.Fatalf("after a power cut: %v", err)
	}
	if err := s.Recovered(); err != nil || s.Unclean() {
		t.Errorf("after Recovered: unclean is %v, %v", s.Unclean(), err)
	}
	stop(t, s)
	cfg.bootID = func() (string, error) { return "", errTest }
	if _, err := Start(cfg); err == nil || !strings.Contains(err.Error(), "boot id") {
		t.Errorf("without a boot id: %v", err)
	}
	if id, err := bootID(); err != nil || len(id) != 36 {
		t.Errorf("the boot id of this machine is %q, %v", id, err)
	}
}
