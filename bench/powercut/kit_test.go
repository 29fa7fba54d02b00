package powercut

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const apiKey = "a key of the server API"

// buildWebim builds webim, once for all tests.
var buildWebim = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "powercut-webim")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir, "./cmd/webim")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building webim: %w: %s", err, out)
	}
	return filepath.Join(dir, "webim"), nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if program, err := buildWebim(); err == nil {
		os.RemoveAll(filepath.Dir(program))
	}
	os.Exit(code)
}

// webim is a running server.
type webim struct {
	t    *testing.T
	cmd  *exec.Cmd
	http http.Client
	up   atomic.Bool // the power was not cut
	done chan bool   // the process has ended
	log  bytes.Buffer
}

// serve starts webim on a store, and waits until it answers.
func serve(t *testing.T, data, sync string) *webim {
	t.Helper()
	program, err := buildWebim()
	must(t, err)
	dir := t.TempDir()
	socket := filepath.Join(dir, "api.sock")
	w := &webim{t: t}
	w.up.Store(true)
	w.cmd = exec.Command(program, "serve", "--engine", "embedded", "--data", data, "--sync", sync,
		"--listen", "unix:"+filepath.Join(dir, "clients.sock"), "--internal", "unix:"+socket,
		"--history-age", "1h", "--history-messages", "100000", "--history-bytes", "32MiB", "--open")
	w.cmd.Env = append(os.Environ(), "WEBIM_API_KEY="+apiKey)
	w.cmd.Stderr = &w.log
	must(t, w.cmd.Start())
	w.done = make(chan bool)
	go func() { _ = w.cmd.Wait(); close(w.done) }()
	t.Cleanup(w.kill)
	w.http.Transport = &http.Transport{MaxIdleConnsPerHost: publishers, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	for {
		answer, err := w.http.Get("http://localhost/health")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return w
			}
		}
		select {
		case <-w.done:
			t.Fatalf("webim has ended: %s", &w.log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// kill ends webim as the end of the machine does.
func (w *webim) kill() {
	_ = w.cmd.Process.Kill() // it may have ended
	<-w.done
	w.http.CloseIdleConnections()
}

// call calls a method of the server API.
func (w *webim) call(method string, request, result any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	r, err := http.NewRequest("POST", "http://localhost/api/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-API-Key", apiKey)
	answer, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var reply struct {
		Error  json.RawMessage
		Result json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&reply); err != nil {
		return err
	}
	if reply.Error != nil || reply.Result == nil {
		return fmt.Errorf("%s: %s: %s", method, answer.Status, reply.Error)
	}
	return json.Unmarshal(reply.Result, result)
}

// position is where a message is.
type position struct {
	Epoch  string
	Offset uint64
}

func (w *webim) publish(room, text string) (position, error) {
	var at position
	err := w.call("publish", map[string]any{"channel": room, "data": text}, &at)
	return at, err
}

// history returns how often each text is in the history of a room, and the room's epoch.
func (w *webim) history(room string) (map[string]int, string) {
	w.t.Helper()
	var h struct {
		position
		Publications []struct{ Data string }
	}
	if err := w.call("history", map[string]any{"channel": room, "limit": -1}, &h); err != nil {
		w.t.Fatalf("reading the history of %s: %v\n%s", room, err, &w.log)
	}
	texts := map[string]int{}
	for _, p := range h.Publications {
		texts[p.Data]++
	}
	return texts, h.Epoch
}

// acknowledged is a message that webim has confirmed.
type acknowledged struct {
	room, text, epoch string
	at                time.Time
}

const (
	publishers = 8
	perRoom    = 50 // messages of a publisher in one room: then it takes a new room
)

// load publishes until webim ends. sofar returns the messages that were acknowledged so far.
func load(w *webim) (sofar func() []acknowledged, wait func()) {
	var mu sync.Mutex
	var all []acknowledged
	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			for n := 0; ; n++ {
				room, text := fmt.Sprintf("room-%d", (p%2)*1000+n/perRoom), fmt.Sprintf("%d-%d", p, n) // four publishers share a room
				at, err := w.publish(room, text)
				if err != nil {
					if w.up.Load() {
						w.t.Errorf("before the cut: %v", err)
					}
					return
				}
				mu.Lock()
				all = append(all, acknowledged{room, text, at.Epoch, time.Now()})
				mu.Unlock()
			}
		})
	}
	return func() []acknowledged {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}, running.Wait
}
