package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// committer syncs the files of streams to the disk, on one goroutine. While it waits for the disk, more
// callers come, and the next sync is for all of them.
//
// nats-server writes a message to a file of the stream's folder "msgs" before it acknowledges it. The kernel
// tells the committer by inotify which of these files were written or made since the last commit: that costs
// the same however many files there are. A write and its event are one step for the kernel, so a write
// that was acknowledged before a commit has its event in the queue.
type committer struct {
	streams  string // the folder of all streams
	root     string
	datasync func(*os.File) error
	wake     chan struct{} // has space for one: somebody waits, or closed is set
	done     chan struct{}

	// Only for the goroutine of the committer.
	inotify int
	watched map[string]*watch // by stream
	byID    map[int32]*watch
	buf     []byte
	broken  error // a file was not synced: nothing can be promised any more

	mu      sync.Mutex
	waiting map[string][]func(error) // by stream
	closed  bool
}

// watch is the state of a stream's folder.
type watch struct {
	stream string
	id     int32
	folder fs.FileInfo     // nats-server makes another folder when it purges the stream
	dirty  map[string]bool // names of files that were written since their last sync
	names  bool            // a file was made or renamed, so the folder must be synced, too
}

// events are those that the kernel reports: a file was written, or has come by its name.
const events = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK

func newCommitter(dir string, datasync func(*os.File) error) (*committer, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("embedded: watching the files of the store: %w: raise fs.inotify.max_user_instances", err)
	}
	c := &committer{
		root: dir, streams: streamsOf(dir), datasync: datasync,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
		inotify: fd, watched: map[string]*watch{}, byID: map[int32]*watch{}, buf: make([]byte, 64<<10),
		waiting: map[string][]func(error){},
	}
	go c.run()
	return c, nil
}

// commit adds a caller that waits for the next sync of a stream.
func (c *committer) commit(stream string, done func(error)) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.waiting[stream] = append(c.waiting[stream], done)
	}
	c.mu.Unlock()
	if closed {
		done(ErrStopped)
		return
	}
	c.signal()
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.signal()
	<-c.done
}

func (c *committer) run() {
	defer close(c.done)
	defer unix.Close(c.inotify)
	for range c.wake {
		c.mu.Lock()
		waiting, closed := c.waiting, c.closed
		c.waiting = map[string][]func(error){}
		c.mu.Unlock()
		for stream, all := range waiting {
			err := ErrStopped
			if !closed {
				err = c.sync(stream)
			}
			for _, done := range all {
				done(err)
			}
		}
		if closed {
			return
		}
	}
}

// sync writes the files of a stream to the disk.
func (c *committer) sync(stream string) error {
	if c.broken != nil {
		return c.broken
	}
	if err := c.readEvents(); err != nil {
		return err
	}
	w, err := c.watch(stream)
	if err != nil {
		return err
	}
	folder := c.folder(stream)
	for name := range w.dirty {
		if err := syncFile(filepath.Join(folder, name), c.datasync); err != nil && !errors.Is(err, fs.ErrNotExist) { // nats-server removes files
			return c.fail(err)
		}
		delete(w.dirty, name)
	}
	if w.names {
		if err := syncFile(folder, (*os.File).Sync); err != nil {
			return c.fail(err)
		}
		w.names = false
	}
	return nil
}

// fail stops all commits. The kernel reports a failed write once, and then takes the pages for written.
func (c *committer) fail(err error) error {
	c.broken = fmt.Errorf("embedded: the disk does not sync: %w: check it, and start webim again", err)
	return c.broken
}

func (c *committer) folder(stream string) string { return filepath.Join(c.streams, stream, "msgs") }

// watch returns the watch of a stream. With the first commit of a stream, or after nats-server has replaced the
// folder, it begins to watch the folder, and syncs all that is there: the folders up to the root and the
// stream's configuration, too.
func (c *committer) watch(stream string) (*watch, error) {
	if stream == "" || strings.ContainsAny(stream, "/.") {
		return nil, fmt.Errorf("embedded: %q is no name of a stream", stream)
	}
	folder := c.folder(stream)
	info, err := os.Stat(folder)
	if err != nil {
		return nil, fmt.Errorf("embedded: finding the folder of the stream %s: %w", stream, err)
	}
	if w := c.watched[stream]; w != nil {
		if os.SameFile(w.folder, info) {
			return w, nil
		}
		c.forget(w)
	}
	id, err := unix.InotifyAddWatch(c.inotify, folder, events)
	switch {
	case errors.Is(err, unix.ENOSPC):
		return nil, fmt.Errorf("embedded: watching the folder %s: raise fs.inotify.max_user_watches", folder)
	case err != nil:
		return nil, fmt.Errorf("embedded: watching the folder of the stream %s: %w", stream, err)
	}
	if err := syncTree(c.root, filepath.Dir(folder)); err != nil {
		return nil, c.fail(err)
	}
	w := &watch{stream: stream, id: int32(id), folder: info, dirty: map[string]bool{}}
	c.watched[stream], c.byID[w.id] = w, w
	return w, nil
}

// forget ends a watch.
func (c *committer) forget(w *watch) {
	_, _ = unix.InotifyRmWatch(c.inotify, uint32(w.id)) // it fails if the folder is gone
	delete(c.watched, w.stream)
	delete(c.byID, w.id)
}

// readEvents takes all events out of the kernel's queue.
func (c *committer) readEvents() error {
	for {
		n, err := unix.Read(c.inotify, c.buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("embedded: reading which files were written: %w", err)
		}
		for b := c.buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			id, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			c.event(id, mask, strings.TrimRight(string(b[unix.SizeofInotifyEvent:end]), "\x00"))
			b = b[end:]
		}
	}
}

// event notes an event of the kernel.
func (c *committer) event(id int32, mask uint32, name string) {
	if mask&unix.IN_Q_OVERFLOW != 0 { // events are missing: begin again with every stream
		for _, w := range c.byID {
			c.forget(w)
		}
		return
	}
	w := c.byID[id]
	switch {
	case w == nil: // of a watch that has ended
	case mask&unix.IN_IGNORED != 0: // the folder is gone
		c.forget(w)
	default:
		w.dirty[name] = true
		w.names = w.names || mask&(unix.IN_CREATE|unix.IN_MOVED_TO) != 0
	}
}
