package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// diskSize is the size of the disk of a NATS server, a tmpfs.
const diskSize = "96m"

// mountStore mounts a small disk for the store of a server. Without the right to mount, the plan has no full disks.
func (l *lab) mountStore(i int, dir string) error {
	if !slices.Contains(l.opts.Only, disk) {
		return nil
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+diskSize); err != nil {
		return fmt.Errorf("mounting a small disk on %s: %w: run as root, or leave the fault disk out with --only", dir, err)
	}
	l.disks = append(l.disks, dir)
	return nil
}

// canMount reports whether this process may mount a file system: it mounts one, and removes it.
func canMount(dir string) bool {
	if unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k") != nil {
		return false
	}
	return unix.Unmount(dir, unix.MNT_DETACH) == nil
}

// filler is the name of the file that fills a disk.
func (s *server) filler() string { return filepath.Join(s.dir, "store", "filler") }

// fillDisk leaves no byte free on the disk of a server.
func (s *server) fillDisk() error {
	f, err := os.Create(s.filler())
	if err != nil {
		return err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if n, err := f.Write(block); err != nil || n == 0 {
			block = block[:len(block)/2] // until not a single byte has space
		}
	}
	return nil
}

// freeDisk removes the file of fillDisk. If the lab is late, two faults of a disk overlap, and the end of the first one ends both.
func (s *server) freeDisk() error {
	err := os.Remove(s.filler())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// unmount removes all disks.
func (l *lab) unmount() {
	for _, dir := range l.disks {
		_ = unix.Unmount(dir, unix.MNT_DETACH)
	}
}
