package archive

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"webim/room/engine/jetstream/internal/keys"
)

// A keys file has a JSON object in each line: first a header, then the keys, and then the users that were erased. A
// keys file from before an erasure is harmless together with a later list of erasures.

// keysHeader is the first line of a keys file.
type keysHeader struct {
	Webim  string    `json:"webim"` // "keys"
	Format int       `json:"format"`
	Began  time.Time `json:"began"`
}

// keysLine is another line: of a key, or of an erasure.
type keysLine struct {
	User   string     `json:"user"`
	Key    []byte     `json:"key,omitempty"`
	Erased *time.Time `json:"erased,omitempty"`
}

var discard = slog.New(slog.DiscardHandler)

// ErrKeysFile: a file is no keys file, or one of a newer version.
var ErrKeysFile = errors.New("the file is no keys file of this version of webim")

// writeKeys writes the keys file. An older one is replaced when the new one is complete.
func (a *archiver) writeKeys(ctx context.Context, name string) error {
	part := name + ".part"
	err := writeFile(part, func(w io.Writer) error {
		to := json.NewEncoder(w)
		if err := to.Encode(keysHeader{"keys", format, time.Now().UTC()}); err != nil {
			return err
		}
		if err := a.eachKey(ctx, func(user string, record []byte) error { return to.Encode(keysLine{User: user, Key: record}) }); err != nil {
			return err
		}
		return a.eachErased(ctx, to)
	})
	if err != nil {
		return errors.Join(fmt.Errorf("the keys file: %w", err), os.Remove(part))
	}
	return errors.Join(os.Rename(part, name), syncPath(filepath.Dir(name)))
}

// eachKey calls f with each user's key.
func (a *archiver) eachKey(ctx context.Context, f func(user string, record []byte) error) error {
	store, err := keys.Open(ctx, a.Conn, keys.Config{Replicas: a.Replicas, Fixed: true, Sole: a.sole(), Sync: a.SyncStream, Log: discard})
	if err != nil {
		return err
	}
	defer store.Close()
	return store.Each(ctx, f)
}

// readKeys calls key and erased with the lines of a keys file. began is when it was made.
func readKeys(name string, key func(began time.Time, user string, record []byte) error, erased func(user string, at time.Time) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	from := json.NewDecoder(bufio.NewReader(f))
	var header keysHeader
	if err := from.Decode(&header); err != nil || header.Webim != "keys" || header.Format != format {
		return fmt.Errorf("%s: %w", name, ErrKeysFile)
	}
	for {
		var line keysLine
		switch err := from.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case line.Erased != nil:
			err = erased(line.User, *line.Erased)
		case key != nil:
			err = key(header.Began, line.User, line.Key)
		}
		if err != nil {
			return err
		}
	}
}
