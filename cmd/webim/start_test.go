package main_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/room/engine"
	"webim/room/engine/jetstream"
	"webim/room/engine/jetstream/embedded"
)

// The size of the store that TestStartAfterKill makes.
var (
	startMessages = flag.Int("start.messages", 1500, "messages in the store that is killed")
	startRooms    = flag.Int("start.rooms", 1000, "rooms with these messages")
)

// fillFolder is the variable of the environment that makes the test program a child: a process that fills the
// store in that folder, and kills itself. fillSize is the number of messages and of rooms.
const (
	fillFolder = "WEBIM_TEST_FILL_FOLDER"
	fillSize   = "WEBIM_TEST_FILL_SIZE"
)

// TestStartAfterKill kills a process that has filled a store, and measures the time until webim serves on it: when
// the window of the keys is full of messages, and again after later kills. It looks for the last message.
func TestStartAfterKill(t *testing.T) {
	t.Parallel()
	program, dir := buildWebim(t), filepath.Join(t.TempDir(), "store")
	fill := exec.Command(os.Args[0])
	fill.Env = append(os.Environ(), fillFolder+"="+dir, fmt.Sprintf("%s=%d %d", fillSize, *startMessages, *startRooms))
	out, err := fill.CombinedOutput()
	if status, ok := fill.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process that fills the store has ended with %v: %s", err, out)
	}
	t.Logf("%d messages in %d rooms: %s", *startMessages, *startRooms, strings.TrimSpace(string(out)))
	last := *startMessages - 1
	for range 3 {
		began := time.Now()
		r := launch(t, program, nil, "--open", "--listen", "127.0.0.1:0", "--api", "--api-key", storeKey, "--data", dir, "--max-store", "1TiB", "--history-age", "none")
		if code, _ := get(t, "tcp", r.addrs[0], "/health"); code != http.StatusOK {
			t.Errorf("/health: %d", code)
		}
		t.Logf("webim serves after %v, with %v of CPU time", time.Since(began).Round(time.Millisecond), cpuTime(t, r.process.Pid))
		room := strconv.Itoa(last % *startRooms)
		if got := r.call("history", `{"channel":"`+room+`","limit":1,"reverse":true}`); !strings.Contains(got, fmt.Sprintf("message %d.", last)) {
			t.Errorf("message %d is lost: %s", last, got)
		}
		last += *startRooms
		r.call("publish", fmt.Sprintf(`{"channel":"%s","data":"message %d."}`, room, last)) // the store changes, as if it was in use
		r.kill()
	}
}

// cpuTime returns the CPU time that a process has taken.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))
	user, _ := strconv.Atoi(fields[12])
	system, _ := strconv.Atoi(fields[13])
	return time.Duration(user+system) * 10 * time.Millisecond // the kernel counts hundredths of a second
}

// fillAndDie fills a store with messages of 128 bytes, and kills its own process. It returns if that fails.
func fillAndDie(dir string) error {
	var messages, rooms int
	if _, err := fmt.Sscan(os.Getenv(fillSize), &messages, &rooms); err != nil {
		return err
	}
	store, err := embedded.Start(embedded.Config{Dir: dir, MaxStore: 1 << 40})
	if err != nil {
		return err
	}
	e, err := jetstream.Open(context.Background(), jetstream.Config{Connect: store.Connect, Keep: func(string) engine.Retention {
		return engine.Retention{Messages: 100_000, Bytes: 1 << 40}
	}})
	if err != nil {
		return err
	}
	began := time.Now()
	slots, failed := make(chan struct{}, 4000), make(chan error, 4000)
	for i := range messages {
		slots <- struct{}{}
		text := fmt.Sprintf("message %d.", i)
		m := engine.Message{Op: ws.OpText, Data: []byte(text + strings.Repeat(" ", 128-len(text))), From: &engine.Author{User: "anna", Client: "0123456789abcdef"}}
		e.Publish(strconv.Itoa(i%rooms), m, func(_ engine.Position, err error) {
			if err != nil {
				failed <- err
			}
			<-slots
		})
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
	if len(failed) > 0 {
		return <-failed
	}
	fmt.Printf("stored in %v\n", time.Since(began).Round(time.Millisecond))
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return err
	}
	time.Sleep(time.Minute) // the signal may reach another thread first
	return errors.New("the process was not killed")
}
