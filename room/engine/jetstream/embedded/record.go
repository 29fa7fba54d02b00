package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"webim/room/engine/jetstream/internal/format"
)

// folderFormat is the version of the folder's format. Each stream has a version of its own: see package streams.
const folderFormat = 1

const (
	lockName   = "webim.lock"
	recordName = "webim.json"
	storeName  = "jetstream" // nats-server chooses it
)

// lockFolder locks a folder for this process. The lock lasts as long as the file, or a copy of its
// descriptor, is open. inherited, if not nil, is a copy that has the lock already.
func lockFolder(dir string, inherited *os.File) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600) // with O_CLOEXEC
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: locking the folder of the store: %w", err), closeFile(inherited))
	}
	if inherited != nil {
		if f, err = inherit(inherited, f); err != nil {
			return nil, fmt.Errorf("embedded: the lock of the folder %s: %w", dir, err)
		}
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		defer f.Close()
		return nil, &InUseError{holder(f), dir}
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("embedded: locking the folder %s: %w", dir, err)
	}
	writePID(f)
	return f, nil
}

// writePID writes the pid of this process into the file of a lock, which holds even if that fails.
func writePID(f *os.File) {
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
}

// inherit returns the inherited file of a lock, and closes the other one, which was opened by its name.
func inherit(inherited, named *os.File) (*os.File, error) {
	defer named.Close()
	is, err := inherited.Stat()
	there, err2 := named.Stat()
	if err = errors.Join(err, err2); err == nil && !os.SameFile(is, there) {
		err = errors.New("the process before this one has used another folder")
	}
	if err != nil {
		return nil, errors.Join(err, inherited.Close())
	}
	unix.CloseOnExec(int(inherited.Fd()))
	return inherited, nil
}

func closeFile(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// InUseError is the error of Start for a folder that another process uses.
type InUseError struct{ holder, dir string }

// Error names the process and the folder.
func (e *InUseError) Error() string {
	return fmt.Sprintf("embedded: %s uses the folder %s: stop it, or choose another folder", e.holder, e.dir)
}

// holder describes the process that holds a lock.
func holder(f *os.File) string {
	text, _ := io.ReadAll(io.LimitReader(f, 32))
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return fmt.Sprintf("another process, with the pid %d,", pid)
	}
	return "another process"
}

// record is the content of the record file.
type record struct {
	Format int    `json:"format"`
	Boot   string `json:"boot"`  // the boot id of the machine when the folder was last opened
	Clean  bool   `json:"clean"` // it was closed, and everything is on the disk
	Lost   bool   `json:"lost"`  // the machine has ended while it was open: see Server.Unclean
}

// recordFile is the record in the folder, which is written to the disk with each change.
type recordFile struct {
	dir string

	mu  sync.Mutex
	now record
}

// open reads the record of the folder, and notes that the folder is in use. killed says that the last process with the folder
// open has not closed it, and that the machine has not ended since.
func (r *recordFile) open(bootID func() (string, error)) (killed bool, err error) {
	boot, err := bootID()
	if err != nil {
		return false, fmt.Errorf("embedded: reading the boot id of the machine: %w", err)
	}
	if err := r.read(boot); err != nil {
		return false, err
	}
	var steps format.Steps // there is only one version of the folder so far
	if err := format.Upgrade(r.now.Format, folderFormat, steps, func(version int) error { return r.change(func(now *record) { now.Format = version }) }); err != nil {
		return false, fmt.Errorf("embedded: opening the folder %s: %w", r.dir, err)
	}
	killed = !r.now.Clean && !r.now.Lost && r.now.Boot == boot
	return killed, r.change(func(now *record) {
		now.Lost = now.Lost || !now.Clean && now.Boot != boot
		now.Boot, now.Clean = boot, false
	})
}

// read reads the record from its file, or makes one for a new folder.
func (r *recordFile) read(boot string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = record{Format: folderFormat, Boot: boot, Clean: true}
	text, err := os.ReadFile(filepath.Join(r.dir, recordName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		_, err := os.Stat(filepath.Join(r.dir, storeName))
		r.now.Lost = err == nil // a store without a record was restored, so messages may have been lost since
	case err != nil:
		return fmt.Errorf("embedded: reading the record of the store: %w", err)
	default:
		if err := json.Unmarshal(text, &r.now); err != nil || r.now.Format < 1 {
			return fmt.Errorf("embedded: %s is damaged: restore it, or delete it if the folder is not to be recovered", filepath.Join(r.dir, recordName))
		}
	}
	return nil
}

func (r *recordFile) unclean() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now.Lost
}

// recovered notes that the loss was dealt with, when all that the caller has written for that is on the disk.
func (r *recordFile) recovered() error {
	if !r.unclean() {
		return nil
	}
	if err := syncStore(r.dir); err != nil {
		return err
	}
	return r.change(func(now *record) { now.Lost = false })
}

// closeClean writes everything to the disk, and notes that nothing is missing.
func (r *recordFile) closeClean() error {
	if err := syncStore(r.dir); err != nil {
		return err
	}
	return r.change(func(now *record) { now.Clean = true })
}

// syncStore writes all of the folder's file system to the disk.
func syncStore(dir string) error {
	err := syncFile(dir, func(f *os.File) error { return unix.Syncfs(int(f.Fd())) })
	if err != nil {
		return fmt.Errorf("embedded: syncing the store: %w", err)
	}
	return nil
}

// change changes the record, in the file and then in memory. After a crash the file has either content.
func (r *recordFile) change(f func(*record)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.now
	if f(&next); next == r.now {
		return nil
	}
	text, err := json.Marshal(next)
	if err == nil {
		err = replaceFile(filepath.Join(r.dir, recordName), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("embedded: writing the record of the store: %w", err)
	}
	r.now = next
	return nil
}

// replaceFile writes a file and its folder to the disk.
func replaceFile(name string, content []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncFile(filepath.Dir(name), (*os.File).Sync)
}

// bootID returns the id that the kernel chose when the machine started.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}
