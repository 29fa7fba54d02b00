package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// CheckFolders checks that serve can write to the folders that the settings name, or make them. It leaves nothing behind. The error is a
// UsageError. A reload needs no such check, because it changes none of these settings.
func (c *Config) CheckFolders() error {
	for _, one := range []struct {
		key, path string
		used      bool
	}{{"data", c.StoreFolder, c.StoreEngine == EngineEmbedded}, {"acme_dir", c.ACMEDir, len(c.ACME) > 0}} {
		if !one.used || one.path == "" {
			continue
		}
		if at, err := writable(one.path); err != nil {
			return c.mistake(one.key, ": nothing can be written to %s: %v: write the name of a folder that the user of webim may write to.", at, err)
		}
	}
	return nil
}

// writable checks that a folder can be written to, or can be made in the nearest parent that exists. at is the one or the other.
func writable(path string) (at string, err error) {
	var info fs.FileInfo
	for at = filepath.Clean(path); ; at = filepath.Dir(at) {
		if info, err = os.Stat(at); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			break
		}
	}
	switch {
	case err != nil:
	case !info.IsDir():
		err = syscall.ENOTDIR
	case at == filepath.Clean(path):
		err = unix.Access(at, unix.W_OK|unix.X_OK)
	default: // /proc, for example, has the rights, and takes no folder
		var made string
		if made, err = os.MkdirTemp(at, ".webim-check-"); err == nil {
			err = os.Remove(made)
		}
	}
	var sys syscall.Errno
	if errors.As(err, &sys) {
		err = sys
	}
	return at, err
}
