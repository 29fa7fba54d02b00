package powercut

import (
	"io/fs"
	"maps"
	"sync"
	"syscall"
	"time"
)

// Disk is a file system in memory that can lose its power. All methods are safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	root   *file
	last   uint64 // the number of the last file
	loses  bool
	synced int
}

// file is a file, a folder or a socket.
type file struct {
	id   uint64
	mode uint32 // type and permissions, as in syscall.Stat_t
	time time.Time

	// As programs see it.
	data   []byte
	list   map[string]*file // of a folder
	parent *file            // nil for the root, and for a file without a name
	name   string
	dirty  []span // ranges that differ from disk.data

	disk stored
}

// stored is the part of a file that a cut leaves.
type stored struct {
	data   []byte
	list   map[string]*file
	parent *file
	name   string
}

// span is a range of bytes.
type span struct{ from, to int }

// NewDisk returns an empty disk. If loses is set, the disk confirms each sync and forgets it: so a test can check
// that it would notice.
func NewDisk(loses bool) *Disk {
	d := &Disk{loses: loses}
	d.root = d.newFile(syscall.S_IFDIR | 0o755)
	return d
}

func (d *Disk) newFile(mode uint32) *file {
	d.last++
	f := &file{id: d.last, mode: mode, time: time.Now()}
	if f.isDir() {
		f.list, f.disk.list = map[string]*file{}, map[string]*file{}
	}
	return f
}

func (f *file) isDir() bool { return f.mode&syscall.S_IFMT == syscall.S_IFDIR }

// lookup finds a file in a folder.
func (d *Disk) lookup(dir *file, name string) (*file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := dir.list[name]
	if f == nil {
		return nil, syscall.ENOENT
	}
	return f, nil
}

// names returns a copy of a folder's list.
func (d *Disk) names(dir *file) map[string]*file {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(dir.list)
}

// create makes a file with a new name in a folder.
func (d *Disk) create(dir *file, name string, mode uint32) (*file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case dir.list[name] != nil:
		return nil, syscall.EEXIST
	case dir.parent == nil && dir != d.root: // it was removed
		return nil, syscall.ENOENT
	}
	f := d.newFile(mode)
	f.parent, f.name, dir.list[name] = dir, name, f
	return f, nil
}

// remove takes a file or an empty folder out of a folder.
func (d *Disk) remove(dir *file, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := dir.list[name]
	switch {
	case f == nil:
		return syscall.ENOENT
	case len(f.list) > 0:
		return syscall.ENOTEMPTY
	}
	f.parent = nil
	delete(dir.list, name)
	return nil
}

// rename moves a file, and replaces one that has the new name. The kernel has checked that a folder does not move
// into itself, and that a folder replaces only a folder.
func (d *Disk) rename(from *file, name string, to *file, newName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, old := from.list[name], to.list[newName]
	switch {
	case f == nil:
		return syscall.ENOENT
	case f == old:
		return nil
	case old != nil && len(old.list) > 0:
		return syscall.ENOTEMPTY
	case old != nil:
		old.parent = nil
	}
	delete(from.list, name)
	f.parent, f.name, to.list[newName] = to, newName, f
	return nil
}

// read copies the bytes at an offset.
func (d *Disk) read(f *file, to []byte, at int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if at >= int64(len(f.data)) {
		return 0
	}
	return copy(to, f.data[at:])
}

// maxSize is the largest size of a file: the disk is in memory.
const maxSize = 256 << 20

// write changes bytes at an offset.
func (d *Disk) write(f *file, from []byte, at int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	end := at + int64(len(from))
	if end > maxSize {
		return syscall.ENOSPC
	}
	if end > int64(len(f.data)) {
		f.resize(int(end))
	}
	copy(f.data[at:], from)
	f.touch(int(at), int(end))
	return nil
}

// truncate changes the size.
func (d *Disk) truncate(f *file, size uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size > maxSize {
		return syscall.ENOSPC
	}
	f.resize(int(size))
	return nil
}

// resize cuts a file, or fills it up with zeros.
func (f *file) resize(size int) {
	old := len(f.data)
	if size <= old {
		clear(f.data[size:])
		f.data = f.data[:size]
	} else {
		f.data = append(f.data, make([]byte, size-old)...)
	}
	f.touch(min(old, size), max(old, size))
}

// touch notes that a range has changed.
func (f *file) touch(from, to int) {
	f.time = time.Now()
	if n := len(f.dirty); n > 0 && f.dirty[n-1].to == from {
		f.dirty[n-1].to = to // a file mostly grows
		return
	}
	f.dirty = append(f.dirty, span{from, to})
}

// info is the answer of stat.
type info struct {
	id   uint64
	mode uint32
	size int
	time time.Time
}

func (d *Disk) stat(f *file) info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return info{f.id, f.mode, len(f.data), f.time}
}

// chmod changes the permissions.
func (d *Disk) chmod(f *file, mode uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f.mode = f.mode&syscall.S_IFMT | mode&uint32(fs.ModePerm)
}
