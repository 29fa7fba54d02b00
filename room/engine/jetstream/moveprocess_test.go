package jetstream

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/jetstream/embedded"
)

// movedFolder is the variable of the environment that makes the test program the process that takes a store over, with the lock
// of the folder as descriptor 3.
const movedFolder = "WEBIM_TEST_MOVED_FOLDER"

// movedMessages is the number of messages that that process publishes.
const movedMessages = 200

func processLimits() enginetest.Limits {
	return enginetest.Limits{Messages: 1 << 30, Bytes: 1 << 40, Age: time.Hour, Clock: new(enginetest.Clock)}
}

// takeOver is the other process. It reads the state and the position of the room, says that it is ready, waits for "go", and
// publishes. It says "got", and the messages that its subscriber has got.
func takeOver(t *testing.T, dir string) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	line := func() string {
		if !in.Scan() {
			t.Fatal("the old process has ended")
		}
		return in.Text()
	}
	state, err := base64.StdEncoding.DecodeString(line())
	if err != nil {
		t.Fatal(err)
	}
	var at engine.Position
	fmt.Sscan(line(), &at.Epoch, &at.Offset)
	e := openEmbedded(t, processLimits(), embedded.Config{Dir: dir, Lock: os.NewFile(3, "lock")}, Config{Held: true})
	if err := e.Import(state); err != nil {
		t.Fatal(err)
	}
	r := newRecorder()
	e.Resume("r", budget.Owner{}, r, at)
	fmt.Println("ready")
	if line() != "go" {
		t.Fatal("no go")
	}
	if err := e.Thaw(); err != nil {
		t.Fatal(err)
	}
	for i := range movedMessages {
		if got := publish(t, e, "r", text(fmt.Sprintf("9:%d", i))); got.err != nil {
			t.Fatal(got.err)
		}
	}
	last := fmt.Sprintf("9:%d", movedMessages-1)
	r.wait(t, last, func() bool { return len(r.got) > 0 && string(r.got[len(r.got)-1].Data) == last })
	fmt.Println("got", r.texts())
	if len(r.begins) != 1 || r.begins[0] != at {
		t.Fatalf("it has begun at %v, not at %v", r.begins, at)
	}
}

// startTakeOver freezes an engine, whose subscriber is r, and starts the other process. It returns when that is ready.
func startTakeOver(t *testing.T, dir string, e *Engine, r *recorder) (cmd *exec.Cmd, to io.Writer, from *bufio.Scanner) {
	t.Helper()
	state := frozen(t, e)
	at := r.begins[0]
	at.Offset = r.got[len(r.got)-1].Offset
	cmd = exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), movedFolder+"="+dir)
	cmd.ExtraFiles = []*os.File{e.cfg.Store.(embeddedStore).Lock()}
	cmd.Stderr = t.Output()
	to, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	fmt.Fprintf(to, "%s\n%s %d\n", base64.StdEncoding.EncodeToString(state), at.Epoch, at.Offset)
	from = bufio.NewScanner(out)
	from.Buffer(nil, 1<<24)
	if !from.Scan() || from.Text() != "ready" {
		t.Fatalf("the other process says %q", from.Text())
	}
	return cmd, to, from
}

// publishLoad publishes from three goroutines, each message after the one before it was acknowledged, until the engine refuses
// one. end waits for that, and returns the messages that were acknowledged.
func publishLoad(t *testing.T, e *Engine) (end func() []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var all []string
	for i := range 3 {
		wg.Go(func() {
			for k := 0; ; k++ {
				data := fmt.Sprintf("%d:%d", i, k)
				got := publish(t, e, "r", text(data))
				if got.err != nil {
					if !errors.Is(got.err, engine.ErrUnavailable) {
						t.Errorf("message %s: %v", data, got.err)
					}
					return
				}
				mu.Lock()
				all = append(all, data)
				mu.Unlock()
			}
		})
	}
	return func() []string {
		wg.Wait()
		return all
	}
}

// TestMoveToAnotherProcess moves an embedded store to another process under load: first to one that is killed when it is ready,
// and then to one that goes on. Each message that was acknowledged is stored and delivered once, and no other.
func TestMoveToAnotherProcess(t *testing.T) {
	if dir := os.Getenv(movedFolder); dir != "" {
		takeOver(t, dir)
		return
	}
	dir := t.TempDir()
	e := openEmbedded(t, processLimits(), embedded.Config{Dir: dir}, Config{})
	r := newRecorder()
	e.Subscribe("r", budget.Owner{}, r)
	r.wait(t, "Begin", func() bool { return len(r.begins) == 1 })
	end := publishLoad(t, e)
	more := func() {
		n := len(strings.Fields(r.texts())) + 50
		r.wait(t, "more publications", func() bool { return len(r.got) >= n })
	}

	more()
	cmd, _, _ := startTakeOver(t, dir, e, r)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := e.Thaw(); err != nil {
		t.Fatal(err)
	}
	more()

	cmd, to, from := startTakeOver(t, dir, e, r)
	e.Release()
	if err := e.cfg.Store.(embeddedStore).Close(); err != nil {
		t.Error(err)
	}
	fmt.Fprintln(to, "go")
	if !from.Scan() || !strings.HasPrefix(from.Text(), "got ") {
		t.Fatalf("the other process says %q", from.Text())
	}
	behind := strings.TrimPrefix(from.Text(), "got")
	for from.Scan() { // what the test program says at its end
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	published := end()
	for i := range movedMessages {
		published = append(published, fmt.Sprintf("9:%d", i))
	}
	delivered := strings.Fields(r.texts() + behind)
	stored := storedIn(t, dir)
	if !slices.Equal(delivered, stored) {
		t.Errorf("%d messages are stored, and %d delivered", len(stored), len(delivered))
	}
	slices.Sort(published)
	slices.Sort(stored)
	if !slices.Equal(published, stored) {
		t.Errorf("%d messages are stored, and %d were acknowledged", len(stored), len(published))
	}
}

// storedIn returns the messages in the store of a folder.
func storedIn(t *testing.T, dir string) (all []string) {
	t.Helper()
	e := openEmbedded(t, processLimits(), embedded.Config{Dir: dir}, Config{})
	for behind := uint64(0); ; {
		h := history(t, e, "r", engine.Span{Behind: behind, Limit: 500})
		if len(h.Publications) == 0 {
			return all
		}
		for _, p := range h.Publications {
			all = append(all, string(p.Data))
			behind = p.Offset
		}
	}
}
