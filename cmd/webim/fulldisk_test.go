package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
)

// fullDiskRooms keeps everything in the rooms of TestFullDisk.
const fullDiskRooms = `rooms:
  - match: "*"
    history: 10000
    history_bytes: 32MiB
    presence: true
    allow: {join: user, read: user, history: user, presence: user, send: user}
`

// TestFullDisk fills the disk of a webim that serves. Its members stay connected, and learn at once that nothing can be
// sent; /health says so. When there is space again, everything goes on by itself, on the same connections, and nothing is
// lost that was acknowledged, also after a kill. Mounting a small disk needs root.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("webim-test", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Logf("no disk was filled, because mounting a small one needs root: %v", err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	program := build(t, false)
	args := []string{"--listen", "127.0.0.1:0", "--api", "--api-key", storeKey, "--shutdown-spread", "1ms", "--token-secret", nodesSecret,
		"--data", filepath.Join(dir, "store"), "--config", tempFile(t, "webim.yaml", fullDiskRooms), "--max-reply", "32MiB"}
	r := launch(t, program, nil, args...)
	ann, annID := r.user("ann")
	bob, bobID := r.user("bob")
	plain := wstest.ConnectPath(t, r.addrs[0], "/r?token="+tokenOf(t, "cy"))
	for _, c := range []*wstest.Protocol{ann, bob} {
		c.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
	}
	padding := strings.Repeat("x", 64<<10)
	var acknowledged []string
	sent := 0
	// receive reads a member's messages until one has the text. Those before it were not acknowledged, and stored all the same.
	receive := func(text string, read func() string) {
		t.Helper()
		for got := read(); got != text; got = read() {
			if slices.Contains(acknowledged, got) {
				t.Fatalf("a member got %q again, want %q", got, text)
			}
		}
	}
	// send publishes by the API. It reports whether the message was acknowledged; then all members must get it.
	send := func() bool {
		t.Helper()
		text := fmt.Sprint("message ", sent)
		sent++
		body := r.try("publish", fmt.Sprintf(`{"channel":"r","data":{"text":%q,"padding":%q}}`, text, padding))
		if strings.HasPrefix(body, `{"error"`) {
			return false
		}
		for _, c := range []*wstest.Protocol{ann, bob} {
			c.ResetDeadline()
			receive(text, func() string {
				var m struct{ Text string }
				if err := json.Unmarshal(c.Push().Pub.GetData(), &m); err != nil {
					t.Fatal(err)
				}
				return m.Text
			})
		}
		plain.ResetDeadline()
		receive(text, func() string {
			_, got, err := plain.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			return string(got) // of a message with a text, the plain dialect has that alone
		})
		acknowledged = append(acknowledged, text)
		return true
	}
	for range 3 {
		if !send() {
			t.Fatal("refused before the disk is full")
		}
	}

	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast, 1<<20)
	for send() {
	}
	retry(t, func() bool {
		status, body := get(t, "tcp", r.addrs[0], "/health")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "store")
	})
	ann.ResetDeadline()
	for range 20 { // if each waited for a timeout, the client would not have the time for all of them
		c := &protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"in vain"}`)}}
		if e := ann.ExpectError(c); e.Code != 100 || !e.Temporary || !strings.Contains(e.Message, "try again later") {
			t.Fatalf("a send without space: %+v", e)
		}
	}
	if got := history(t, r); len(got) < len(acknowledged) {
		t.Errorf("%d messages can be read without space, want %d", len(got), len(acknowledged))
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	retry(t, func() bool { status, _ := get(t, "tcp", r.addrs[0], "/health"); return status == http.StatusOK })
	if !send() {
		t.Error("refused although there is space again")
	}
	if got := r.call("presence", `{"channel":"r"}`); !strings.Contains(got, annID) || !strings.Contains(got, bobID) || strings.Count(got, `"client"`) != 3 {
		t.Errorf("other connections than before: %s", got)
	}
	expectHistory(t, r, acknowledged)
	r.kill()
	expectHistory(t, launch(t, program, nil, args...), acknowledged)
}

// fill fills a disk with a file, except for left bytes.
func fill(t *testing.T, file string, left int64) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := io.Copy(f, zeros{})
	if err == nil || n < left {
		t.Fatalf("%d bytes fill the disk: %v", n, err)
	}
	if err := f.Truncate(n - left); err != nil {
		t.Fatal(err)
	}
}

// zeros is an endless file of zeros.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// history returns the texts of room r.
func history(t *testing.T, r *running) (texts []string) {
	t.Helper()
	var h struct {
		Result struct {
			Publications []struct{ Data struct{ Text string } }
		}
	}
	if err := json.Unmarshal([]byte(r.call("history", `{"channel":"r","limit":-1}`)), &h); err != nil {
		t.Fatal(err)
	}
	for _, p := range h.Result.Publications {
		texts = append(texts, p.Data.Text)
	}
	return texts
}

// expectHistory checks that room r has the texts in their order, each of them once. It may have others that were not
// acknowledged.
func expectHistory(t *testing.T, r *running, texts []string) {
	t.Helper()
	got := history(t, r)
	counts := map[string]int{}
	for _, text := range got {
		counts[text]++
	}
	at := 0
	for _, text := range got {
		if at < len(texts) && text == texts[at] {
			at++
		}
	}
	if at != len(texts) {
		t.Errorf("the history is %q, and lacks %q or has it too early", got, texts[at])
	}
	for _, text := range texts {
		if counts[text] != 1 {
			t.Errorf("%q is there %d times", text, counts[text])
		}
	}
}
