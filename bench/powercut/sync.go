package powercut

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// sync puts on the disk all that fsync of a file or a folder must.
func (d *Disk) sync(f *file) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.synced++
	switch {
	case d.loses:
	case f.isDir():
		d.keepName(f)
		d.keepList(f)
	default:
		f.keepData()
		d.keepName(f)
	}
}

// Syncs returns how many syncs there were.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.synced
}

// keepData copies all changes since the last sync.
func (f *file) keepData() {
	size := len(f.data)
	f.disk.data = slices.Grow(f.disk.data[:min(len(f.disk.data), size)], size)[:size]
	for _, s := range f.dirty {
		if from, to := min(s.from, size), min(s.to, size); from < to {
			copy(f.disk.data[from:to], f.data[from:to])
		}
	}
	f.dirty = nil
}

// keepName puts the name of a file and those of the folders above it on the disk.
func (d *Disk) keepName(f *file) {
	if f.parent == nil {
		return // the root, or a file that has no name any more: its old one stays until its folder is synced
	}
	d.keepName(f.parent)
	f.dropName()
	other := f.parent.disk.list[f.name]
	f.parent.disk.list[f.name] = f
	f.disk.parent, f.disk.name = f.parent, f.name
	if other != nil { // it has left this name: for another one, or for none
		other.disk.parent = nil
		d.keepName(other)
	}
}

// dropName takes the name of a file off the disk.
func (f *file) dropName() {
	if f.disk.parent != nil {
		delete(f.disk.parent.disk.list, f.disk.name)
		f.disk.parent = nil
	}
}

// keepList puts the list of a folder on the disk.
func (d *Disk) keepList(dir *file) {
	for name, f := range dir.disk.list {
		switch {
		case dir.list[name] == f:
		case f.parent == nil:
			f.dropName()
		default:
			d.keepName(f)
		}
	}
	for name, f := range dir.list {
		if dir.disk.list[name] != f {
			d.keepName(f)
		}
	}
}

// Cut cuts the power: it writes the files on the disk to a folder. The Disk does not change, so a program that uses
// it must be stopped before, or its later work must not count.
func (d *Disk) Cut(folder string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return cut(d.root, folder)
}

func cut(f *file, name string) error {
	switch f.mode & syscall.S_IFMT {
	case syscall.S_IFREG:
		return os.WriteFile(name, f.disk.data, fs.FileMode(f.mode)&fs.ModePerm)
	case syscall.S_IFDIR:
		if err := os.MkdirAll(name, 0o755); err != nil {
			return err
		}
		for entry, f := range f.disk.list {
			if err := cut(f, filepath.Join(name, entry)); err != nil {
				return err
			}
		}
	}
	return nil // a socket ends with its process
}
