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
)

// Format is the version of the stored format: of the folder, and of what webim keeps in the streams.
const Format = 1

const (
	lockName   = "webim.lock"
	recordName = "webim.json"
	storeName  = "jetstream" // nats-server chooses it
)

// lockFolder locks a folder for this process. The lock lasts as long as the file, or a copy of its
// descriptor, is open.
func lockFolder(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600) // with O_CLOEXEC
	if err != nil {
		return nil, fmt.Errorf("embedded: locking the folder of the store: %w", err)
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		defer f.Close()
		return nil, fmt.Errorf("embedded: %s uses the folder %s: stop it, or choose another folder", holder(f), dir)
	case err != nil:
		f.Close()
		return nil, fmt.Errorf("embedded: locking the folder %s: %w", dir, err)
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(pid), 0)
		if err == nil {
			return f, nil
		}
	}
	return f, nil // the lock holds; only the name of its holder is missing
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

// openRecord reads the record of a folder, and notes that the folder is in use.
func openRecord(dir string, bootID func() (string, error)) (*recordFile, error) {
	boot, err := bootID()
	if err != nil {
		return nil, fmt.Errorf("embedded: reading the boot id of the machine: %w", err)
	}
	r := &recordFile{dir: dir, now: record{Format: Format, Boot: boot, Clean: true}}
	text, err := os.ReadFile(filepath.Join(dir, recordName))
	switch {
	case errors.Is(err, os.ErrNotExist):
		_, err := os.Stat(filepath.Join(dir, storeName))
		r.now.Lost = err == nil // a store without a record was restored, so messages may have been lost since
	case err != nil:
		return nil, fmt.Errorf("embedded: reading the record of the store: %w", err)
	default:
		if err := json.Unmarshal(text, &r.now); err != nil || r.now.Format < 1 {
			return nil, fmt.Errorf("embedded: %s is damaged: restore it, or delete it if the folder is not to be recovered", filepath.Join(dir, recordName))
		}
	}
	if r.now.Format > Format {
		return nil, fmt.Errorf("embedded: the folder %s has the format %d of a newer webim, and this one reads up to %d: upgrade webim", dir, r.now.Format, Format)
	}
	return r, r.change(func(now *record) {
		now.Lost = now.Lost || !now.Clean && now.Boot != boot
		now.Format, now.Boot, now.Clean = Format, boot, false
	})
}

func (r *recordFile) unclean() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now.Lost
}

// recovered notes that the loss was dealt with, when all that the caller has written for that is on the disk.
func (r *recordFile) recovered() error {
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
	f(&next)
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
