package reindex

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/minio/highwayhash"
)

// Store writes the index of each stream in the store of a nats-server that needs one and has blocks of at
// least so many bytes together. It returns how many it has written, and why it has left streams to nats-server.
func Store(dir string, least int64) (n int, err error) {
	folders, err := filepath.Glob(filepath.Join(dir, "*", "streams", "*"))
	for _, folder := range folders {
		done, problem := stream(folder, least)
		if done {
			n++
		}
		err = errors.Join(err, problem)
	}
	return n, err
}

// stream writes the index of the stream in a folder, if it needs one.
func stream(folder string, least int64) (done bool, err error) {
	meta, err := readMeta(filepath.Join(folder, "meta.inf"))
	if err != nil || !meta.isPlain() {
		return false, err
	}
	blocks, err := list(folder)
	if err != nil || len(blocks) == 0 {
		return false, err
	}
	size := int64(0)
	for _, b := range blocks {
		size += b.size
	}
	msgs := filepath.Join(folder, "msgs")
	if size < least || matches(msgs, blocks[len(blocks)-1]) {
		return false, nil
	}
	subjects, err := readAll(meta.Name, blocks)
	if err != nil {
		return false, err
	}
	index, err := encode(meta.Name, blocks, subjects)
	if err != nil {
		return false, err
	}
	return true, write(msgs, index)
}

// meta has the settings of a stream that this package has to know.
type meta struct {
	Name        string `json:"name"`
	Compression string `json:"compression"`
	AllowTTL    bool   `json:"allow_msg_ttl"`
	Schedules   bool   `json:"allow_msg_schedules"`
}

func readMeta(path string) (m meta, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// isPlain reports whether nothing else than messages and subjects is in the index of the stream.
func (m *meta) isPlain() bool { return m.Compression == "none" && !m.AllowTTL && !m.Schedules }

// list returns the blocks of a stream in their order.
func list(folder string) (blocks []*block, err error) {
	for _, other := range []string{"__new_msgs__", "__msgs__"} { // of a purge that was not completed
		if _, err := os.Stat(filepath.Join(folder, other)); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: %s in %s", errUnusual, other, folder)
		}
	}
	files, err := os.ReadDir(filepath.Join(folder, "msgs"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name, isBlock := strings.CutSuffix(file.Name(), ".blk")
		number, err := strconv.ParseUint(name, 10, 32)
		switch {
		case file.Name() == indexName || file.Name() == indexName+".new":
			continue
		case !isBlock || err != nil:
			return nil, fmt.Errorf("%w: %s in %s", errUnusual, file.Name(), folder)
		}
		info, err := file.Info()
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, &block{number: uint32(number), path: filepath.Join(folder, "msgs", file.Name()), size: info.Size()})
	}
	slices.SortFunc(blocks, func(a, b *block) int { return int(a.number) - int(b.number) })
	return blocks, nil
}

// readAll reads all blocks, and returns the subjects of their messages.
func readAll(stream string, blocks []*block) (map[string]*subjectInfo, error) {
	subjects, err := readOnce(stream, blocks, nil)
	if err != nil {
		return nil, err
	}
	removed := map[uint64]bool{}
	for i, b := range blocks {
		for _, seq := range b.tombstones {
			removed[seq] = true
		}
		if i > 0 && b.first <= blocks[i-1].last {
			return nil, fmt.Errorf("%w: %s repeats a sequence", errUnusual, b.path)
		}
	}
	if len(removed) == 0 {
		return subjects, nil
	}
	return readOnce(stream, blocks, removed) // which messages are deleted is known only now
}

// verified is how many blocks have their checksums verified. The kill may have cut a record at the end of the
// last block, or of the one before, and nothing else.
const verified = 2

// readOnce reads all blocks, on all processors.
func readOnce(stream string, blocks []*block, removed map[uint64]bool) (map[string]*subjectInfo, error) {
	readers := make([]reader, min(runtime.GOMAXPROCS(0), len(blocks)))
	failed := make([]error, len(readers))
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range readers {
		readers[i] = reader{removed: removed, subjects: map[string]*subjectInfo{}}
		wg.Go(func() { failed[i] = readers[i].readSome(stream, blocks, &next) })
	}
	wg.Wait()
	all := readers[0].subjects
	for _, r := range readers[1:] {
		merge(all, r.subjects)
	}
	return all, errors.Join(failed...)
}

// readSome reads the next block, until there is none. Several readers share next.
func (r *reader) readSome(stream string, blocks []*block, next *atomic.Int64) error {
	for {
		at := int(next.Add(1)) - 1
		if at >= len(blocks) {
			return nil
		}
		var sum *highwayhash.Digest64
		if at >= len(blocks)-verified {
			var err error
			if sum, err = newSum(fmt.Sprintf("%s-%d", stream, blocks[at].number)); err != nil {
				return err
			}
		}
		if err := r.read(blocks[at], sum); err != nil {
			return err
		}
	}
}

// merge adds the counts of some blocks to those of others.
func merge(to, from map[string]*subjectInfo) {
	for name, s := range from {
		if t := to[name]; t != nil {
			t.total += s.total
			t.first, t.last = min(t.first, s.first), max(t.last, s.last)
		} else {
			to[name] = s
		}
	}
}
