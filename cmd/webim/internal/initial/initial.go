// Package initial writes the first configuration of a server: a commented file, and files with fresh secrets.
package initial

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

//go:embed webim.yaml
var text string

// File is the name of the configuration.
const File = "webim.yaml"

// secretBytes is the number of random bytes of a secret.
const secretBytes = 32

// secretFiles are the files with secrets, and the words that stand for their paths in the text.
var secretFiles = []struct{ name, stands string }{
	{"token.secret", "TOKEN_SECRET_FILE"},
	{"api.key", "API_KEY_FILE"},
}

// Write writes the configuration and its secrets into a folder, which it makes if it does not exist; data is the folder
// of messages that the configuration names. Only the user may read the files. Write never overwrites a file: if one
// exists, it writes nothing. It returns the paths, the configuration first.
func Write(folder, data string) (paths []string, err error) {
	if folder, err = filepath.Abs(folder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	content := strings.ReplaceAll(text, "DATA_FOLDER", quote(data))
	files := map[string]string{}
	paths = []string{filepath.Join(folder, File)}
	for _, s := range secretFiles {
		path := filepath.Join(folder, s.name)
		var secret [secretBytes]byte
		rand.Read(secret[:]) // never fails
		files[path] = hex.EncodeToString(secret[:]) + "\n"
		content = strings.ReplaceAll(content, s.stands, quote(path))
		paths = append(paths, path)
	}
	files[paths[0]] = content
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s exists already, and nothing is overwritten: remove it, or choose another folder", path)
		}
	}
	for i, path := range paths {
		if err := create(path, files[path]); err != nil {
			for _, written := range paths[:i] {
				_ = os.Remove(written)
			}
			return nil, err
		}
	}
	return paths, nil
}

// create makes a file that only the user may read. If it exists, that is an error.
func create(path, content string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

// quote returns a path as YAML has it: a single quote stands for itself twice.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", "''") + "'" }
