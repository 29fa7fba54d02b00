package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// streamsOf returns the folder of all streams.
func streamsOf(dir string) string { return filepath.Join(dir, storeName, "$G", "streams") }

// SyncStream writes all that a stream has to the disk: its settings, its messages, and the folders above it.
// nats-server syncs only the messages by itself. So SyncStream has to be called after a stream was made, or its settings
// were changed: otherwise a power cut can take back the settings, however old they are. It waits for the disk.
func (s *Server) SyncStream(stream string) error {
	return syncTree(s.cfg.Dir, filepath.Join(streamsOf(s.cfg.Dir), stream))
}

// syncTree syncs a stream's folder with all files in it, and the folders above it up to the root.
func syncTree(root, folder string) error {
	err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = syncFile(name, (*os.File).Sync)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	for dir := filepath.Dir(folder); err == nil && len(dir) >= len(root); dir = filepath.Dir(dir) {
		err = syncFile(dir, (*os.File).Sync)
	}
	return err
}

// syncFile opens a file or a folder and syncs it.
func syncFile(name string, sync func(*os.File) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(sync(f), f.Close())
}

// datasync writes the content of a file to the disk, and its size, but not its times.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
