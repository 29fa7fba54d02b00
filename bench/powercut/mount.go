package powercut

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// Mount mounts a disk on a folder. It needs root and /dev/fuse. The caller unmounts the server that it returns.
func Mount(d *Disk, folder string) (*fuse.Server, error) {
	return fs.Mount(folder, &node{disk: d, file: d.root}, &fs.Options{
		MountOptions:   fuse.MountOptions{FsName: "powercut", Name: "powercut", DirectMountStrict: true},
		RootStableAttr: &fs.StableAttr{Ino: d.root.id},
	})
}

// node is a file for go-fuse.
type node struct {
	fs.Inode
	disk *Disk
	file *file
}

// handle is an open file. Each write to it is synced if always is set.
type handle struct{ always bool }

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeMknoder   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

// found returns the inode of a file, with its attributes.
func (n *node) found(ctx context.Context, f *file, err error, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err != nil {
		return nil, fs.ToErrno(err)
	}
	child := &node{disk: n.disk, file: f}
	child.attr(&out.Attr)
	return n.NewInode(ctx, child, fs.StableAttr{Mode: out.Mode, Ino: f.id}), 0
}

func (n *node) attr(out *fuse.Attr) {
	i := n.disk.stat(n.file)
	out.Ino, out.Mode, out.Size, out.Nlink = i.id, i.mode, uint64(i.size), 1
	out.Blocks = (out.Size + 511) / 512
	out.SetTimes(&i.time, &i.time, &i.time)
}

// Lookup finds a file in this folder.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, err := n.disk.lookup(n.file, name)
	return n.found(ctx, f, err, out)
}

// Readdir lists this folder.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	var list []fuse.DirEntry
	for name, f := range n.disk.names(n.file) {
		list = append(list, fuse.DirEntry{Name: name, Mode: f.mode & syscall.S_IFMT, Ino: f.id})
	}
	return fs.NewListDirStream(list), 0
}

// Create makes and opens a file. The kernel has looked for it before.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f, err := n.disk.create(n.file, name, syscall.S_IFREG|mode&0o777)
	i, errno := n.found(ctx, f, err, out)
	return i, newHandle(flags), 0, errno
}

func newHandle(flags uint32) *handle {
	return &handle{always: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}
}

// Mkdir makes a folder.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, err := n.disk.create(n.file, name, syscall.S_IFDIR|mode&0o777)
	return n.found(ctx, f, err, out)
}

// Mknod makes a socket, or a file.
func (n *node) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, err := n.disk.create(n.file, name, mode)
	return n.found(ctx, f, err, out)
}

// Unlink removes a file.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(n.disk.remove(n.file, name))
}

// Rmdir removes a folder.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(n.disk.remove(n.file, name))
}

// Rename moves a file.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 { // exchange and the like
		return syscall.EINVAL
	}
	return fs.ToErrno(n.disk.rename(n.file, name, to.(*node).file, newName))
}

// Getattr describes this file.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attr(&out.Attr)
	return 0
}

// Setattr changes the size or the permissions. The owner and the times are not kept.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if mode, ok := in.GetMode(); ok {
		n.disk.chmod(n.file, mode)
	}
	if size, ok := in.GetSize(); ok {
		if err := n.disk.truncate(n.file, size); err != nil {
			return fs.ToErrno(err)
		}
	}
	n.attr(&out.Attr)
	return 0
}

// Open opens this file. The kernel truncates it by Setattr.
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return newHandle(flags), 0, 0
}

// Read reads from this file.
func (n *node) Read(_ context.Context, _ fs.FileHandle, to []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(to[:n.disk.read(n.file, to, at)]), 0
}

// Write writes to this file.
func (n *node) Write(_ context.Context, h fs.FileHandle, from []byte, at int64) (uint32, syscall.Errno) {
	if err := n.disk.write(n.file, from, at); err != nil {
		return 0, fs.ToErrno(err)
	}
	if h, ok := h.(*handle); ok && h.always {
		n.disk.sync(n.file)
	}
	return uint32(len(from)), 0
}

// Fsync syncs this file or folder.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.sync(n.file)
	return 0
}

// Statfs says that there is space.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const block = 4096
	*out = fuse.StatfsOut{Blocks: 1 << 30 / block * 64, Bfree: 1 << 30 / block * 64, Bavail: 1 << 30 / block * 64, Files: 1 << 20, Ffree: 1 << 20, Bsize: block, Frsize: block, NameLen: 255}
	return 0
}
