package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/erasures"
	"webim/room/engine/jetstream/internal/keys"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/removals"
	"webim/room/engine/jetstream/internal/state"
)

// ErrNoBackup: a folder has no complete backup that this version of webim can read, or the keys file is none.
// Nothing was replaced.
var ErrNoBackup = errors.New("there is no complete backup of this version of webim")

// late is how much earlier than a backup an erasure may have been made, so that the State of the backup may still
// have something of the user: an erasure takes its time.
const late = time.Minute

// Report describes a restore. Its caller also removes the traces of the erased users.
type Report struct {
	Began  time.Time // everything that was acknowledged before is there
	Erased []string  // users that were erased since: the State may have something of them
	Keys   int       // keys that came from the keys file
	// Removals are those of the store that is replaced. Its caller repeats them.
	Removals []engine.Entry
}

// Restore replaces the store by a backup: see the package comment. is are the removals of the store. No node may use the
// store. If Restore fails, the store cannot be used until another call has succeeded. After it, End must be called.
func Restore(ctx context.Context, cfg Config, dir string, is []engine.Entry) (r Report, err error) {
	m, err := check(dir, cfg.Keys)
	if err != nil {
		return r, err
	}
	a, err := open(ctx, cfg)
	if err != nil {
		return r, err
	}
	r.Began = m.Began
	if r.Removals, err = a.begin(ctx, is); err != nil {
		return r, err
	}
	if err := a.mergeErased(ctx, dir); err != nil {
		return r, err
	}
	if err := a.replace(ctx, m, dir); err != nil {
		return r, err
	}
	if cfg.Keys != "" {
		if r.Keys, err = a.restoreKeys(ctx); err != nil {
			return r, err
		}
	}
	return r, a.erased.Each(ctx, func(user string, at time.Time) error {
		if at.After(m.Began.Add(-late)) {
			r.Erased = append(r.Erased, user)
		}
		return nil
	})
}

// Check returns an error if a folder has no backup, or a file no keys of one; keys may be empty. So a command that has mistaken
// them makes no store.
func Check(dir, keys string) error {
	_, err := check(dir, keys)
	return err
}

func check(dir, keys string) (m manifest, err error) {
	if m, err = readManifest(dir); err != nil || keys == "" {
		return m, err
	}
	if err := readKeys(keys, nil, func(string, time.Time) error { return nil }); err != nil {
		return m, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	return m, nil
}

// begin notes the removals of the store, and then that a restore has begun. If one has begun and not ended, the removals
// were noted then, and the store may have lost them since.
func (a *archiver) begin(ctx context.Context, is []engine.Entry) ([]engine.Entry, error) {
	if a.erased.Check() != nil {
		noted, err := removals.Read(ctx, a.read.Leader(), a.erased.HasNoted())
		if a.erased.HasNoted() || !errors.Is(err, logread.ErrNoStream) { // otherwise an older webim has begun, which did not note them
			return noted, err
		}
	}
	err := removals.Write(ctx, a.opener, is)
	if err == nil {
		err = a.erased.Restoring(ctx, true)
	}
	return is, err
}

// End lets nodes use the store again, when all of it is on the disk.
func End(ctx context.Context, cfg Config) error {
	a, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	if err := a.syncAll(ctx); err != nil {
		return err
	}
	if err := a.erased.Restoring(ctx, false); err != nil {
		return err
	}
	return removals.Delete(ctx, a.opener)
}

// syncAll writes all streams to the disk.
func (a *archiver) syncAll(ctx context.Context) error {
	if a.SyncStream == nil {
		return nil
	}
	names, err := a.streams(ctx)
	for _, name := range append(names, keys.Stream, erasures.Stream) {
		err = errors.Join(err, a.SyncStream(name))
	}
	return err
}

// readManifest reads the manifest of a backup, and checks the files before anything is replaced.
func readManifest(dir string) (m manifest, err error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	if m.Format != format || len(m.Streams) == 0 || m.Streams[0].Name != state.Stream {
		return m, fmt.Errorf("%w: %s has the format %d and %d streams", ErrNoBackup, filepath.Join(dir, manifestName), m.Format, len(m.Streams))
	}
	for i := range m.Streams {
		if err := m.Streams[i].check(dir); err != nil {
			return m, fmt.Errorf("%w: %w", ErrNoBackup, err)
		}
	}
	if err := readErased(dir, func(string, time.Time) error { return nil }); err != nil {
		return m, fmt.Errorf("%w: %w", ErrNoBackup, err)
	}
	return m, nil
}

// check checks that the file of a stream is as the backup has written it.
func (s *archiveStream) check(dir string) error {
	f, err := os.Open(s.file(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	if err != nil {
		return err
	}
	if n != s.Bytes || hex.EncodeToString(sum.Sum(nil)) != s.SHA256 {
		return fmt.Errorf("%s has changed since the backup was made", s.file(dir))
	}
	return nil
}

// replace replaces the State and the logs.
func (a *archiver) replace(ctx context.Context, m manifest, dir string) error {
	names, err := a.streams(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := a.opener.JS.DeleteStream(ctx, name); err != nil {
			return fmt.Errorf("the stream %s: %w", name, err)
		}
	}
	for i := range m.Streams {
		s := &m.Streams[i]
		if err := a.remakeStream(ctx, s, dir); err != nil {
			return fmt.Errorf("the stream %s: %w", s.Name, err)
		}
	}
	return nil
}

// The server refuses to restore a stream that it has, with this error. For so long, remakeStream deletes it and tries again.
const (
	errCodeNameInUse = 10130
	maxRemakeTries   = 50
	remakePause      = 100 * time.Millisecond
)

// remakeStream is restoreStream, also while the server still ends the restore of an attempt that has died: the stream of
// that one appears after replace has deleted the others.
func (a *archiver) remakeStream(ctx context.Context, s *archiveStream, dir string) error {
	for try := 1; ; try++ {
		err := a.restoreStream(ctx, s, dir)
		var refused *apiError
		if !errors.As(err, &refused) || refused.Code != errCodeNameInUse || try == maxRemakeTries {
			return err
		}
		if err := a.opener.JS.DeleteStream(ctx, s.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return err
		}
		select {
		case <-time.After(remakePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// restoreStream makes a stream from its snapshot, with a new incarnation.
func (a *archiver) restoreStream(ctx context.Context, s *archiveStream, dir string) error {
	f, err := os.Open(s.file(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	d := s.description
	var config map[string]any
	if err := json.Unmarshal(d.Config, &config); err != nil {
		return err
	}
	config["num_replicas"] = a.opener.Replicas
	if d.Config, err = json.Marshal(config); err != nil {
		return err
	}
	if err := putSnapshot(ctx, a.Conn, s.Name, d, f); err != nil {
		return err
	}
	made, err := a.opener.Find(ctx, s.Name)
	if err == nil {
		_, err = a.opener.Renew(ctx, made)
	}
	return err
}

// mergeErased adds the erasures that the backup and the keys file know to those of the store.
func (a *archiver) mergeErased(ctx context.Context, dir string) error {
	add := func(user string, at time.Time) error { return a.erased.Add(ctx, user, at) }
	if err := readErased(dir, add); err != nil || a.Keys == "" {
		return err
	}
	return readKeys(a.Keys, nil, add)
}

// readErased calls f with each user that had been erased when a backup was made.
func readErased(dir string, f func(user string, at time.Time) error) error {
	file, err := os.Open(filepath.Join(dir, erasedName))
	if err != nil {
		return err
	}
	defer file.Close()
	from := json.NewDecoder(file)
	for {
		var line erasedLine
		err := from.Decode(&line)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		if err := f(line.User, line.Erased); err != nil {
			return err
		}
	}
}

// restoreKeys stores the keys of the keys file, except those that the store has, and those of users that were erased since.
func (a *archiver) restoreKeys(ctx context.Context) (n int, err error) {
	erased := map[string]time.Time{}
	if err := a.erased.Each(ctx, func(user string, at time.Time) error { erased[user] = at; return nil }); err != nil {
		return 0, err
	}
	store, err := keys.Open(ctx, a.Conn, keys.Config{Replicas: a.Replicas, Fixed: true, Sole: a.sole(), Sync: a.SyncStream, Log: discard})
	if err != nil {
		return 0, err
	}
	defer store.Close()
	err = readKeys(a.Keys, func(began time.Time, user string, record []byte) error {
		if at, is := erased[user]; is && at.After(began) {
			return nil
		}
		added, err := store.Restore(ctx, user, record)
		if added {
			n++
		}
		return err
	}, func(string, time.Time) error { return nil })
	return n, err
}
