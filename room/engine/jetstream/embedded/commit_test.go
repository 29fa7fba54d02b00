package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
)

// syncs notes which files were synced.
type syncs struct {
	mu    sync.Mutex
	names []string
	fault error
	gate  func() // called in each sync
}

func (s *syncs) sync(f *os.File) error {
	s.mu.Lock()
	s.names = append(s.names, filepath.Base(f.Name()))
	fault, gate := s.fault, s.gate
	s.mu.Unlock()
	if gate != nil {
		gate()
	}
	return fault
}

// take returns the names since the last call.
func (s *syncs) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.names
	s.names = nil
	return names
}

func TestCommitWithoutAlways(t *testing.T) {
	s := start(t, Config{})
	called := false
	s.Commit("LOG", func(err error) { called = err == nil })
	if !called {
		t.Error("done was not called at once")
	}
}

// TestGroupCommit checks that one sync is enough for all callers that wait.
func TestGroupCommit(t *testing.T) {
	var all syncs
	s := start(t, Config{Always: true, datasync: all.sync})
	c := connect(t, s)
	addStream(t, c, "LOG")
	publish(t, c, "first")
	if err := commit(t, s, "LOG"); err != nil {
		t.Fatal(err)
	}

	publish(t, c, "second")
	entered, leave := make(chan bool), make(chan bool)
	all.mu.Lock()
	all.names, all.gate = nil, func() { entered <- true; <-leave }
	all.mu.Unlock()
	const n = 1000
	done := make(chan error, n+1)
	s.Commit("LOG", func(err error) { done <- err })
	receive(t, entered) // the disk is busy with the second message
	for i := range n {
		publish(t, c, fmt.Sprint(i))
		s.Commit("LOG", func(err error) { done <- err })
	}
	if len(done) != 0 {
		t.Error("a commit was done before the sync")
	}
	leave <- true
	if err := receive(t, done); err != nil {
		t.Fatal(err)
	}
	receive(t, entered)
	if len(done) != 0 {
		t.Error("a commit was done before its sync")
	}
	leave <- true
	for range n {
		if err := receive(t, done); err != nil {
			t.Fatal(err)
		}
	}
	if names := all.take(); len(names) != 2 {
		t.Errorf("%d commits made the syncs %q", n+1, names)
	}
}

// TestCommitSyncsWhatWasWritten checks which files a commit syncs.
func TestCommitSyncsWhatWasWritten(t *testing.T) {
	var all syncs
	s := start(t, Config{Always: true, datasync: all.sync})
	c := connect(t, s)
	addStream(t, c, "LOG")
	want := func(what string, names ...string) {
		t.Helper()
		if err := commit(t, s, "LOG"); err != nil {
			t.Fatal(err)
		}
		got := all.take()
		slices.Sort(got)
		if !slices.Equal(slices.Compact(got), names) {
			t.Errorf("%s: synced %q, want %q", what, got, names)
		}
	}
	publish(t, c, "first")
	want("the first commit syncs the whole tree in another way")
	want("nothing was written")
	seq := publish(t, c, "second")
	want("a message", "1.blk")
	large := strings.Repeat("x", 1<<20)
	for range 9 {
		publish(t, c, large)
	}
	want("two blocks", "1.blk", "2.blk")
	publish(t, c, "more")
	want("the second block", "2.blk")
	if err := c.SecureDeleteMsg("LOG", seq); err != nil {
		t.Fatal(err)
	}
	if err := commit(t, s, "LOG"); err != nil || !slices.Contains(all.take(), "1.blk") {
		t.Errorf("an erased message: its block is not among the synced files, %v", err)
	}

	if err := c.PurgeStream("LOG"); err != nil { // nats-server makes another folder
		t.Fatal(err)
	}
	publish(t, c, "after")
	want("the first commit after a purge syncs the whole tree")
	publish(t, c, "after")
	if err := commit(t, s, "LOG"); err != nil || len(all.take()) != 1 {
		t.Errorf("after a purge, the folder is not watched, %v", err)
	}
	if err := c.DeleteStream("LOG"); err != nil {
		t.Fatal(err)
	}
	addStream(t, c, "LOG")
	publish(t, c, "again")
	want("the first commit of another stream with the same name")
	publish(t, c, "again")
	want("another stream with the same name", "1.blk")
}

// TestManyStreams checks that each stream is synced for its own callers, also after the kernel has lost events.
func TestManyStreams(t *testing.T) {
	var all syncs
	dir := t.TempDir()
	folder := func(stream string) string { return filepath.Join(dir, "jetstream/$G/streams", stream, "msgs") }
	write := func(stream, file string) {
		f, err := os.OpenFile(filepath.Join(folder(stream), file), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = f.WriteString("x")
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, stream := range []string{"A", "B"} {
		if err := os.MkdirAll(folder(stream), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, Config{Dir: dir, Always: true, datasync: all.sync})
	want := func(stream string, names ...string) {
		t.Helper()
		if err := commit(t, s, stream); err != nil {
			t.Fatal(err)
		}
		if got := all.take(); !slices.Equal(got, names) {
			t.Errorf("%s: synced %q, want %q", stream, got, names)
		}
	}
	write("A", "1.blk")
	want("A")
	want("B")
	write("A", "1.blk")
	write("B", "2.blk")
	want("B", "2.blk")
	want("B")
	want("A", "1.blk")

	queue := 0
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	if err == nil {
		_, err = fmt.Sscan(string(text), &queue)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range queue/2 + 10 { // events of two files do not merge
		write("A", "1.blk")
		write("B", "2.blk")
	}
	write("A", "3.blk")
	want("A") // the whole tree
	write("A", "3.blk")
	want("A", "3.blk")
}

func TestCommitErrors(t *testing.T) {
	var all syncs
	s := start(t, Config{Always: true, datasync: all.sync})
	for _, name := range []string{"NONE", "", "..", "a/b"} {
		if err := commit(t, s, name); err == nil || errors.Is(err, errTest) {
			t.Errorf("the stream %q is committed: %v", name, err)
		}
	}
	c := connect(t, s)
	addStream(t, c, "LOG")
	if err := commit(t, s, "LOG"); err != nil {
		t.Fatal(err)
	}
	publish(t, c, "lost")
	all.mu.Lock()
	all.fault = errTest
	all.mu.Unlock()
	if err := commit(t, s, "LOG"); !errors.Is(err, errTest) {
		t.Errorf("the disk does not sync: %v", err)
	}
	all.mu.Lock()
	all.fault = nil
	all.mu.Unlock()
	if err := commit(t, s, "LOG"); !errors.Is(err, errTest) {
		t.Errorf("the disk has not synced before: %v", err)
	}
}

// TestCloseAnswersCommits checks that each commit is answered, also those that come during Close.
func TestCloseAnswersCommits(t *testing.T) {
	s := start(t, Config{Always: true})
	c := connect(t, s)
	addStream(t, c, "LOG")
	const callers, each = 4, 500
	done := make(chan error, callers*each)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				s.Commit("LOG", func(err error) { done <- err })
			}
		})
	}
	stop(t, s)
	wg.Wait()
	for range callers * each {
		if err := receive(t, done); err != nil && err != ErrStopped {
			t.Fatal(err)
		}
	}
}

// TestCloseSyncsNothingMore checks that a commit gets no success that nobody has synced.
func TestCloseSyncsNothingMore(t *testing.T) {
	var all syncs
	s := start(t, Config{Always: true, datasync: all.sync})
	c := connect(t, s)
	addStream(t, c, "LOG")
	if err := commit(t, s, "LOG"); err != nil {
		t.Fatal(err)
	}
	entered, leave := make(chan bool), make(chan bool)
	all.mu.Lock()
	all.gate = func() { entered <- true; <-leave }
	all.mu.Unlock()
	publish(t, c, "first")
	first, second := make(chan error, 1), make(chan error, 1)
	s.Commit("LOG", func(err error) { first <- err })
	receive(t, entered)
	s.Commit("LOG", func(err error) { second <- err })
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	wstest.Eventually(t, "the committer is closed", func() bool {
		s.commits.mu.Lock()
		defer s.commits.mu.Unlock()
		return s.commits.closed
	})
	leave <- true
	if err := receive(t, first); err != nil {
		t.Errorf("the commit under way: %v", err)
	}
	if err := receive(t, second); err != ErrStopped {
		t.Errorf("the commit after it: %v", err)
	}
	if err := receive(t, closed); err != nil {
		t.Error(err)
	}
}

// TestConcurrentCommits commits from many goroutines, each behind its own message.
func TestConcurrentCommits(t *testing.T) {
	s := start(t, Config{Always: true})
	c := connect(t, s)
	addStream(t, c, "LOG")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				if _, err := c.JetStreamContext.Publish("log.a", fmt.Append(nil, i, j), nats.RetryAttempts(0)); err != nil {
					t.Error(err)
					return
				}
				done := make(chan error, 1)
				s.Commit("LOG", func(err error) { done <- err })
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
