package powercut

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
)

// walk calls f for each name on the disk.
func walk(dir *file, path string, f func(path string, f *file)) {
	for name, child := range dir.disk.list {
		f(path+"/"+name, child)
		walk(child, path+"/"+name, f)
	}
}

// path returns the present path of a file.
func (f *file) path() string {
	if f.parent == nil {
		return ""
	}
	return f.parent.path() + "/" + f.name
}

// world makes random changes to a disk, and remembers the promises of each sync.
type world struct {
	t    *testing.T
	rnd  *rand.Rand
	disk *Disk
	all  []*file // with a name
	kept map[*file][]byte
	safe map[*file]bool // its name was kept, and it was not removed since
}

// TestDiskKeepsWhatWasSynced compares the disk with the promises, after each of many random changes.
func TestDiskKeepsWhatWasSynced(t *testing.T) {
	for seed := range uint64(200) {
		d := NewDisk(false)
		w := &world{t, rand.New(rand.NewPCG(seed, 1)), d, []*file{d.root}, map[*file][]byte{}, map[*file]bool{}}
		for range 150 {
			w.step()
			w.check(seed)
			if t.Failed() {
				return
			}
		}
	}
}

func (w *world) any(dir bool) *file {
	for {
		if f := w.all[w.rnd.IntN(len(w.all))]; f.isDir() == dir || !dir && len(w.all) == 1 {
			return f
		}
		if !dir && !w.hasFile() {
			return w.disk.root
		}
	}
}

func (w *world) hasFile() bool {
	for _, f := range w.all {
		if !f.isDir() {
			return true
		}
	}
	return false
}

// step makes one change.
func (w *world) step() {
	dir, f, name := w.any(true), w.any(false), fmt.Sprint(w.rnd.IntN(4))
	switch w.rnd.IntN(9) {
	case 0, 1:
		mode := uint32(syscall.S_IFREG)
		if w.rnd.IntN(3) == 0 {
			mode = syscall.S_IFDIR
		}
		_, _ = w.disk.create(dir, name, mode)
	case 2:
		_ = w.disk.remove(dir, name)
	case 3:
		w.rename(dir, name, w.any(true), fmt.Sprint(w.rnd.IntN(4)))
	case 4, 5:
		if !f.isDir() {
			_ = w.disk.write(f, fmt.Append(nil, w.rnd.Uint64()), int64(w.rnd.IntN(40)))
		}
	case 6:
		if !f.isDir() {
			_ = w.disk.truncate(f, uint64(w.rnd.IntN(40)))
		}
	case 7:
		w.disk.sync(f)
		w.synced(f)
	case 8:
		w.disk.sync(dir)
		w.synced(dir)
	}
	w.all = []*file{w.disk.root}
	for i := 0; i < len(w.all); i++ {
		for _, f := range w.all[i].list {
			w.all = append(w.all, f)
		}
	}
	named := map[*file]bool{}
	for _, f := range w.all {
		named[f] = true
	}
	for f := range w.safe {
		if !named[f] {
			delete(w.safe, f)
		}
	}
}

// rename moves a file, unless the kernel would refuse it.
func (w *world) rename(from *file, name string, to *file, newName string) {
	f, old := from.list[name], to.list[newName]
	if f == nil || old != nil && old.isDir() != f.isDir() {
		return
	}
	for dir := to; dir != nil; dir = dir.parent {
		if dir == f {
			return
		}
	}
	_ = w.disk.rename(from, name, to, newName)
}

// synced notes the promises of a sync, and checks those that hold only until the next change.
func (w *world) synced(f *file) {
	if !f.isDir() {
		w.kept[f] = bytes.Clone(f.data)
	}
	at := map[*file]string{}
	walk(w.disk.root, "", func(path string, f *file) { at[f] = path })
	for g := f; g.parent != nil; g = g.parent {
		w.safe[g] = true
		if at[g] != g.path() {
			w.t.Errorf("after the sync of %s, %s is on the disk as %q", f.path(), g.path(), at[g])
		}
	}
	if !f.isDir() {
		return
	}
	for name, g := range f.list {
		w.safe[g] = true
		if f.disk.list[name] != g {
			w.t.Errorf("after the sync of %s, %s is not on the disk", f.path(), g.path())
		}
	}
	if len(f.disk.list) != len(f.list) {
		w.t.Errorf("after the sync of %s, the disk has %d names for %d", f.path(), len(f.disk.list), len(f.list))
	}
}

// check compares the disk with all promises.
func (w *world) check(seed uint64) {
	seen := map[*file]string{}
	walk(w.disk.root, "", func(path string, f *file) {
		if other, twice := seen[f]; twice {
			w.t.Errorf("seed %d: a file is on the disk as %s and %s", seed, other, path)
		}
		seen[f] = path
		if !f.isDir() && !bytes.Equal(f.disk.data, w.kept[f]) {
			w.t.Errorf("seed %d: %s has the content %q on the disk, want %q", seed, path, f.disk.data, w.kept[f])
		}
	})
	for f := range w.safe {
		if _, ok := seen[f]; !ok {
			w.t.Errorf("seed %d: %s is not on the disk under any name", seed, f.path())
		}
	}
}
