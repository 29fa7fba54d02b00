// Package powercut is a model of a disk that loses power. It is a file system in memory, mounted by FUSE, that
// knows which parts of each file and folder were synced. Its tests start webim on it, cut the power at a random time, and
// start webim again on the files that a real disk would still have. A module of its own keeps go-fuse out of webim's go.mod.
//
//	disk.go   the files and folders, as programs see them
//	sync.go   the files on the disk, and the cut
//	mount.go  the file system for the kernel
//
// # After a cut
//
// Nothing that was not synced survives, so the model is the worst case of a disk that obeys. The rules are those of
// ext4, as far as programs rely on them:
//
//   - fsync or fdatasync of a file, or a write to a file opened with O_SYNC or O_DSYNC, keeps the file's content and
//     size, its present name, and the names of the folders above it. A name that it had before is gone.
//   - fsync of a folder keeps the folder's list: names that were added, removed or replaced. A file of which
//     only the name was kept is empty, or has the content of its last fsync.
//   - A file that moved has its old name or its new one, never both and never none.
//
// # Limits of the model
//
//   - syncfs: the kernel does not tell a FUSE file system of it. So a test must not cut the power after a clean
//     stop, which relies on it.
//   - Luck: a real disk may keep some writes that were not synced, in any order, and half of one.
//   - Hard links, symbolic links and permissions. Sockets exist until the cut.
package powercut
