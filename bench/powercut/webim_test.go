package powercut

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// outcome is the cost of a cut.
type outcome struct {
	acknowledged int
	lost         []acknowledged
	cut          time.Time
}

// trial runs webim under load on a disk, cuts the power after a time, and starts webim on the files that are left.
func trial(t *testing.T, d *Disk, sync string, after time.Duration) outcome {
	t.Helper()
	dir, mount := mounted(t, d)
	w := serve(t, dir, sync)
	sofar, wait := load(w)
	<-time.After(after) // the power may go at any time
	w.up.Store(false)
	acks := sofar()
	o := outcome{acknowledged: len(acks), cut: time.Now()}
	left := t.TempDir()
	must(t, d.Cut(left))
	w.kill()
	wait()
	if t.Failed() {
		t.Logf("%s", &w.log)
	}
	must(t, mount.Unmount())
	if !d.loses {
		hasSettings(t, left)
	}
	must(t, reboot(left))

	w = serve(t, left, sync)
	histories, epochs := map[string]map[string]int{}, map[string]string{}
	for _, a := range acks {
		if histories[a.room] == nil {
			histories[a.room], epochs[a.room] = w.history(a.room)
			if epochs[a.room] == a.epoch {
				t.Errorf("%s has its old epoch", a.room)
			}
		}
		if histories[a.room][a.text] == 0 {
			o.lost = append(o.lost, a)
		}
	}
	for room, texts := range histories {
		for text, n := range texts {
			if n != 1 {
				t.Errorf("%s is %d times in %s", text, n, room)
			}
		}
		if at, err := w.publish(room, "after the cut"); err != nil || at.Epoch != epochs[room] {
			t.Errorf("publishing in %s after the cut: %+v, %v; its epoch was %s", room, at, err, epochs[room])
		}
	}
	t.Logf("%d acknowledged in %d rooms, %d lost, %d syncs", o.acknowledged, len(histories), len(o.lost), d.Syncs())
	return o
}

// hasSettings checks that the settings of each stream are on the disk, with their sum.
func hasSettings(t *testing.T, data string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(data, "jetstream/$G/streams/*"))
	must(t, err)
	if len(all) != 4 { // STATE, KEYS, ERASED, and one of rooms
		t.Errorf("the streams %s are on the disk", all)
	}
	for _, stream := range all {
		for _, name := range []string{"meta.inf", "meta.sum"} {
			if info, err := os.Stat(filepath.Join(stream, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s of the stream %s is not on the disk: %v", name, filepath.Base(stream), err)
			}
		}
	}
}

// reboot makes a store look as if the machine had been started again since: the boot id in its record is not that
// of this machine any more. The kernel's boot id cannot be changed.
func reboot(data string) error {
	name := filepath.Join(data, "webim.json")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // webim takes a store without a record for a restored one
	}
	if err != nil {
		return err
	}
	var record map[string]any
	if err := json.Unmarshal(text, &record); err != nil {
		return fmt.Errorf("the record of the store: %w", err)
	}
	record["boot"] = "the boot before the cut"
	if text, err = json.Marshal(record); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o600)
}

// seeds returns the seeds of a test's trials: 1, or with WEBIM_LONG=1 ten random ones.
func seeds(t *testing.T) []uint64 {
	if os.Getenv("WEBIM_LONG") == "" {
		return []uint64{1}
	}
	var all []uint64
	for range 10 {
		all = append(all, rand.Uint64())
	}
	t.Logf("seeds %d", all)
	return all
}

// between returns a random time.
func between(seed uint64, from, to time.Duration) time.Duration {
	return from + time.Duration(rand.New(rand.NewPCG(seed, 0)).Int64N(int64(to-from)))
}

// TestSyncAlwaysLosesNothing cuts the power under load: each acknowledged message is there, once.
func TestSyncAlwaysLosesNothing(t *testing.T) {
	for _, seed := range seeds(t) {
		o := trial(t, NewDisk(false), "always", between(seed, 200*time.Millisecond, 4*time.Second))
		if o.acknowledged == 0 {
			t.Error("nothing was acknowledged before the cut")
		}
		for _, a := range o.lost {
			t.Errorf("seed %d: %s in %s is lost, %v before the cut", seed, a.text, a.room, o.cut.Sub(a.at))
		}
	}
}

// atMost is how old a message may be that is lost with --sync 1s: a second, and the time of a sync on a busy machine.
const atMost = 5 * time.Second

// TestSyncIntervalLosesOnlyTheNewest does the same with --sync 1s.
func TestSyncIntervalLosesOnlyTheNewest(t *testing.T) {
	for _, seed := range seeds(t) {
		o := trial(t, NewDisk(false), "1s", between(seed, 7*time.Second, 10*time.Second))
		if o.acknowledged == len(o.lost) {
			t.Error("nothing is left")
		}
		for _, a := range o.lost {
			if age := o.cut.Sub(a.at); age > atMost {
				t.Errorf("seed %d: %s in %s is lost, %v before the cut", seed, a.text, a.room, age)
			}
		}
	}
}

// TestDiskThatLosesSyncs checks that these tests would notice a sync that is missing.
func TestDiskThatLosesSyncs(t *testing.T) {
	o := trial(t, NewDisk(true), "always", between(1, time.Second, 2*time.Second))
	if o.acknowledged == 0 || len(o.lost) != o.acknowledged {
		t.Errorf("of %d acknowledged messages, %d are lost", o.acknowledged, len(o.lost))
	}
}

// command returns a command of webim.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	program, err := buildWebim()
	must(t, err)
	return exec.Command(program, args...)
}

// TestRestoreSurvivesCuts restores a backup, and cuts the power meanwhile. After the next restore, the store has what the backup
// has, except a history that was removed since.
func TestRestoreSurvivesCuts(t *testing.T) {
	for _, seed := range seeds(t) {
		d := NewDisk(false)
		dir, mount := mounted(t, d)
		backup, left := filepath.Join(t.TempDir(), "backup"), t.TempDir()
		w := serve(t, dir, "always")
		for _, room := range []string{"kept", "removed"} {
			_, err := w.publish(room, "text")
			must(t, err)
		}
		if out, err := command(t, "backup", backup, "--data", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		must(t, w.call("history_remove", map[string]any{"channel": "removed"}, &struct{}{}))
		w.kill()

		restore := command(t, "restore", backup, "--data", dir, "--sync", "always")
		must(t, restore.Start())
		<-time.After(between(seed, 50*time.Millisecond, time.Second)) // the power may go at any time
		must(t, d.Cut(left))
		_ = restore.Process.Kill() // it may have ended
		_ = restore.Wait()
		must(t, mount.Unmount())
		must(t, reboot(left))

		_, err := os.Stat(filepath.Join(left, "jetstream/$G/streams/REMOVALS"))
		t.Logf("seed %d: the note of the removals was there: %v", seed, err == nil)
		if out, err := command(t, "restore", backup, "--data", left).CombinedOutput(); err != nil {
			t.Fatalf("seed %d: %v: %s", seed, err, out)
		}
		w = serve(t, left, "always")
		for room, want := range map[string]int{"kept": 1, "removed": 0} {
			if texts, _ := w.history(room); texts["text"] != want {
				t.Errorf("seed %d: the room %s has %v", seed, room, texts)
			}
		}
		w.kill()
	}
}
