package archive

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/erasures"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/state"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
)

// format is the version of the files of a backup.
const format = 1

const (
	manifestName = "webim-backup.json"
	erasedName   = "erased.jsonl"
)

// manifest is the content of webim-backup.json.
type manifest struct {
	Format  int             `json:"format"`
	Webim   string          `json:"webim"` // the version of the program
	Began   time.Time       `json:"began"` // it has everything that was acknowledged before
	Streams []archiveStream `json:"streams"`
}

type archiveStream struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"` // of the file
	SHA256 string `json:"sha256"`
	description
}

func (s *archiveStream) file(dir string) string { return filepath.Join(dir, s.Name+".snapshot") }

// Config says where the store is, and with which program and settings it is used.
type Config struct {
	Conn     *nats.Conn
	Keys     string // the keys file; "": none
	Version  string // of the program
	Replicas int    // of each stream; 0: 1
	// SyncStream, if not nil, writes a stream to the disk: embedded.Server.SyncStream.
	SyncStream func(stream string) error
}

// archiver is a Backup or a Restore that runs.
type archiver struct {
	Config
	opener *streams.Opener
	read   *logread.Reader
	erased *erasures.List
}

func open(ctx context.Context, cfg Config) (*archiver, error) {
	js, err := jetstream.New(cfg.Conn)
	if err != nil {
		return nil, err
	}
	a := &archiver{Config: cfg, opener: &streams.Opener{JS: js, Log: discard, Replicas: max(1, cfg.Replicas), Fixed: true, Sync: cfg.SyncStream, Sole: cfg.sole()}}
	a.read = logread.New(cfg.Conn, logread.Config{Sole: a.sole()})
	a.erased, err = erasures.Open(ctx, a.opener, a.read)
	return a, err
}

// sole is that of logread.Config: only an embedded store has SyncStream.
func (c *Config) sole() func() error {
	if c.SyncStream == nil {
		return nil
	}
	return func() error { return nil }
}

// Backup makes a backup of the store in a folder, which must not exist or be empty. If it fails, no folder is
// left that could be taken for a backup. Nodes may use the store meanwhile.
func Backup(ctx context.Context, cfg Config, dir string) error {
	some, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(some) > 0 {
		return fmt.Errorf("the folder %s is not empty: name a new one for each backup", dir)
	}
	a, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	if err := a.erased.Check(); err != nil {
		return err
	}
	part := strings.TrimRight(dir, "/") + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o700)); err != nil {
		return err
	}
	if err := a.backup(ctx, part); err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	_ = os.Remove(dir) // an empty one
	if err := os.Rename(part, dir); err != nil {
		return err
	}
	return syncPath(filepath.Dir(dir))
}

func (a *archiver) backup(ctx context.Context, dir string) error {
	m := manifest{Format: format, Webim: a.Version, Began: time.Now().UTC()}
	names, err := a.streams(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		s, err := a.copyStream(ctx, dir, name)
		if err != nil {
			return fmt.Errorf("the stream %s: %w", name, err)
		}
		m.Streams = append(m.Streams, s)
	}
	if err := a.writeErased(ctx, filepath.Join(dir, erasedName)); err != nil {
		return err
	}
	if a.Keys != "" {
		if err := a.writeKeys(ctx, a.Keys); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	err = writeFile(filepath.Join(dir, manifestName), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	return errors.Join(err, syncPath(dir))
}

// streams returns the streams of a backup, the State first.
func (a *archiver) streams(ctx context.Context) (all []string, err error) {
	if all, err = a.opener.Names(ctx, ""); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(name string) bool { return name != state.Stream && !strings.HasPrefix(name, subject.StreamPrefix) })
	slices.SortFunc(all, func(a, b string) int {
		if (a == state.Stream) != (b == state.Stream) {
			return map[bool]int{true: -1, false: 1}[a == state.Stream]
		}
		return strings.Compare(a, b)
	})
	return all, nil
}

func (a *archiver) copyStream(ctx context.Context, dir, name string) (s archiveStream, err error) {
	s.Name = name
	end, err := a.end(ctx, name)
	if err != nil {
		return s, err
	}
	sum := &counter{Hash: sha256.New()}
	err = writeFile(s.file(dir), func(w io.Writer) (err error) {
		s.description, err = takeSnapshot(ctx, a.Conn, name, io.MultiWriter(w, sum))
		return err
	})
	s.Bytes, s.SHA256 = sum.n, hex.EncodeToString(sum.Sum(nil))
	if err == nil {
		err = s.reaches(end)
	}
	return s, err
}

// end returns a sequence that is not below that of any message that was acknowledged before; 0: only one server has the stream.
func (a *archiver) end(ctx context.Context, name string) (last uint64, err error) {
	if a.sole() != nil {
		return 0, nil
	}
	leader := a.read.Leader()
	if name == state.Stream {
		return state.End(ctx, leader)
	}
	class, ok := subject.ClassOfStream(name)
	if !ok {
		return 0, nil // not made by webim
	}
	return leader.End(ctx, name, class.Markers())
}

// counter hashes and counts bytes.
type counter struct {
	hash.Hash
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return c.Hash.Write(b)
}

// erasedLine is a line of erased.jsonl.
type erasedLine struct {
	User   string    `json:"user"`
	Erased time.Time `json:"erased"`
}

func (a *archiver) writeErased(ctx context.Context, name string) error {
	return writeFile(name, func(w io.Writer) error { return a.eachErased(ctx, json.NewEncoder(w)) })
}

func (a *archiver) eachErased(ctx context.Context, to *json.Encoder) error {
	return a.erased.Each(ctx, func(user string, at time.Time) error { return to.Encode(erasedLine{user, at.UTC()}) })
}

// writeFile writes a new file that only its owner can read, and syncs it.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(write(w), w.Flush(), f.Sync(), f.Close())
}

// syncPath writes a folder to the disk.
func syncPath(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
