package powercut

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// mounted mounts a disk on a new folder.
func mounted(t *testing.T, d *Disk) (string, *fuse.Server) {
	t.Helper()
	dir := t.TempDir()
	server, err := Mount(d, dir)
	if err != nil {
		t.Fatalf("mounting needs root and /dev/fuse: %v", err)
	}
	t.Cleanup(func() { _ = server.Unmount() }) // a test may have done it
	return dir, server
}

// tree returns the content of all files below a folder, by path; a folder has a / at its end.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		path, err := filepath.Rel(dir, name)
		if err != nil || e.IsDir() {
			all[path+"/"] = ""
			return err
		}
		text, err := os.ReadFile(name)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write writes a file, with more flags.
func write(t *testing.T, name, text string, flags int, sync bool) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|flags, 0o600)
	must(t, err)
	_, err = f.WriteString(text)
	if sync {
		err = errors.Join(err, f.Sync())
	}
	must(t, errors.Join(err, f.Close()))
}

func syncDir(t *testing.T, name string) {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	must(t, errors.Join(f.Sync(), f.Close()))
}

// TestMountedDisk makes files and folders by the kernel, and compares the files before a cut with those after it.
func TestMountedDisk(t *testing.T) {
	for name, c := range map[string]struct {
		do        func(t *testing.T, dir string)
		now, left map[string]string
	}{
		"not synced": {
			func(t *testing.T, dir string) { write(t, dir+"/a", "text", 0, false) },
			map[string]string{"a": "text"}, map[string]string{},
		},
		"synced, and more after that": {
			func(t *testing.T, dir string) {
				must(t, os.MkdirAll(dir+"/x/y", 0o700))
				write(t, dir+"/x/y/a", "text", 0, true)
				write(t, dir+"/x/y/a", " more", os.O_APPEND, false)
				write(t, dir+"/x/b", "text", 0, false)
			},
			map[string]string{"x/": "", "x/y/": "", "x/y/a": "text more", "x/b": "text"},
			map[string]string{"x/": "", "x/y/": "", "x/y/a": "text"},
		},
		"O_SYNC": {
			func(t *testing.T, dir string) { write(t, dir+"/a", "text", os.O_SYNC, false) },
			map[string]string{"a": "text"}, map[string]string{"a": "text"},
		},
		"only the folder": {
			func(t *testing.T, dir string) { write(t, dir+"/a", "text", 0, false); syncDir(t, dir) },
			map[string]string{"a": "text"}, map[string]string{"a": ""},
		},
		"replaced without and with the folder": {
			func(t *testing.T, dir string) {
				for _, name := range []string{"/a", "/x/a"} {
					must(t, os.MkdirAll(filepath.Dir(dir+name), 0o700))
					write(t, dir+name, "old", 0, true)
					write(t, dir+name+".new", "new", 0, true)
					must(t, os.Rename(dir+name+".new", dir+name))
				}
				syncDir(t, dir+"/x")
			},
			map[string]string{"a": "new", "x/": "", "x/a": "new"},
			map[string]string{"a": "old", "a.new": "new", "x/": "", "x/a": "new"},
		},
		"removed without and with the folder": {
			func(t *testing.T, dir string) {
				must(t, os.Mkdir(dir+"/x", 0o700))
				write(t, dir+"/a", "text", 0, true)
				write(t, dir+"/x/a", "text", 0, true)
				must(t, errors.Join(os.Remove(dir+"/a"), os.Remove(dir+"/x/a")))
				syncDir(t, dir+"/x")
			},
			map[string]string{"x/": ""}, map[string]string{"a": "text", "x/": ""},
		},
		"truncated": {
			func(t *testing.T, dir string) {
				write(t, dir+"/a", "long text", 0, true)
				write(t, dir+"/b", "long text", 0, true)
				write(t, dir+"/a", "new", os.O_TRUNC, false)
				write(t, dir+"/b", "new", os.O_TRUNC, true)
			},
			map[string]string{"a": "new", "b": "new"}, map[string]string{"a": "long text", "b": "new"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDisk(false)
			dir, _ := mounted(t, d)
			c.do(t, dir)
			if got := tree(t, dir); !maps.Equal(got, c.now) {
				t.Errorf("programs see %q, want %q", got, c.now)
			}
			left := t.TempDir()
			must(t, d.Cut(left))
			if got := tree(t, left); !maps.Equal(got, c.left) {
				t.Errorf("the cut left %q, want %q", got, c.left)
			}
		})
	}
}
