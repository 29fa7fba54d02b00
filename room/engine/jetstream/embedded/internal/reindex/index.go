package reindex

import (
	"encoding/binary"
	"os"
	"path/filepath"
)

// The format of the index is that of nats-server's writeFullState, version 4. Numbers are varints.
const (
	indexMagic   = 11
	indexVersion = 4
	indexName    = "index.db"
)

// encode returns the index of a stream with these blocks.
func encode(stream string, blocks []*block, subjects map[string]*subjectInfo) ([]byte, error) {
	var messages, size uint64
	for _, b := range blocks {
		messages, size = messages+b.messages, size+b.bytes
	}
	first, last := blocks[0], blocks[len(blocks)-1]
	to := []byte{indexMagic, indexVersion}
	to = binary.AppendUvarint(to, messages)
	to = binary.AppendUvarint(to, size)
	to = binary.AppendUvarint(to, first.first)
	to = binary.AppendVarint(to, first.firstTime)
	to = binary.AppendUvarint(to, last.last)
	to = binary.AppendVarint(to, last.lastTime)

	to = binary.AppendUvarint(to, uint64(len(subjects)))
	for name, s := range subjects {
		to = binary.AppendUvarint(to, uint64(len(name)))
		to = append(to, name...)
		to = binary.AppendUvarint(to, s.total)
		to = binary.AppendUvarint(to, uint64(s.first))
		to = binary.AppendUvarint(to, uint64(s.last))
	}

	to = binary.AppendUvarint(to, uint64(len(blocks)))
	for _, b := range blocks {
		to = b.append(to, first.firstTime)
	}
	to = binary.AppendUvarint(to, uint64(last.number))
	to = append(to, last.checksum[:]...)

	sum, err := newSum(stream)
	if err != nil {
		return nil, err
	}
	_, _ = sum.Write(to) // it never fails
	return sum.Sum(to), nil
}

// append appends the description of a block. Its times count from base.
func (b *block) append(to []byte, base int64) []byte {
	to = binary.AppendUvarint(to, uint64(b.number))
	to = binary.AppendUvarint(to, b.bytes)
	to = binary.AppendUvarint(to, b.first)
	to = binary.AppendVarint(to, b.firstTime-base)
	to = binary.AppendUvarint(to, b.last)
	to = binary.AppendVarint(to, b.lastTime-base)
	to = binary.AppendUvarint(to, uint64(b.deleted.Size()))
	to = binary.AppendUvarint(to, 0) // messages with an age of their own: see isPlain
	to = binary.AppendUvarint(to, 0) // messages that are sent later
	if b.deleted.Size() > 0 {
		to = append(to, b.deleted.Encode(nil)...)
	}
	return to
}

// endOfIndex is the checksum of the last record, and that of the index.
const endOfIndex = 2 * checksumLen

// matches reports whether the index in a folder describes the end of the last block: then nats-server uses it.
func matches(folder string, last *block) bool {
	is, ok := readEnd(filepath.Join(folder, indexName), endOfIndex)
	want, also := readEnd(last.path, checksumLen)
	return ok && also && string(is[:checksumLen]) == string(want)
}

// readEnd reads the last n bytes of a file.
func readEnd(path string, n int64) ([]byte, bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() < n {
		return nil, false
	}
	end := make([]byte, n)
	_, err = f.ReadAt(end, info.Size()-n)
	return end, err == nil
}

// write replaces the index in a folder.
func write(folder string, index []byte) error {
	name := filepath.Join(folder, indexName)
	if err := os.WriteFile(name+".new", index, 0o600); err != nil {
		_ = os.Remove(name + ".new") // nobody reads it
		return err
	}
	return os.Rename(name+".new", name)
}
