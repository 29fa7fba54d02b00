package reindex

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server/avl"
)

// The format of a record. All numbers are little endian.
//
//	length     4 bytes: of the whole record; hasHeader is a bit of it
//	sequence   8 bytes: erased and tombstone are bits of it
//	time       8 bytes: nanoseconds since 1970
//	length     2 bytes: of the subject
//	subject
//	header     4 bytes for its length, and the header, if hasHeader is set
//	data
//	checksum   8 bytes
const (
	headLen     = 22
	checksumLen = 8
	maxRecord   = 32 << 20
	maxGap      = 1 << 24 // sequences without a record: above it, a damaged sequence is more likely than a gap

	hasHeader = 1 << 31 // of the length
	erased    = 1 << 63 // of the sequence
	tombstone = 1 << 62
)

// errUnusual: this block is left to nats-server.
var errUnusual = errors.New("reindex: unusual content")

// A block is a file with records, and the part of the index that describes it.
type block struct {
	number   uint32
	path     string
	size     int64
	checksum [checksumLen]byte // of the last record

	messages, bytes     uint64 // without deleted ones
	first, last         uint64 // sequences: of the first message, and of the last record
	firstTime, lastTime int64
	deleted             avl.SequenceSet // between first and last
	tombstones          []uint64        // the sequences that its tombstones name
}

// subjectInfo counts the messages of a subject, and has the first and the last block with one.
type subjectInfo struct {
	total       uint64
	first, last uint32
}

// reader reads blocks. Several readers share the work.
type reader struct {
	removed  map[uint64]bool // the sequences that tombstones of the stream name
	subjects map[string]*subjectInfo
	buf      []byte
}

// read reads a block, and counts its messages.
func (r *reader) read(b *block, verify *highwayhash.Digest64) error {
	if err := r.load(b); err != nil {
		return err
	}
	*b = block{number: b.number, path: b.path, size: b.size}
	for rest := r.buf; len(rest) > 0; {
		rec, err := parse(rest)
		if err != nil {
			return fmt.Errorf("%w in %s, %d bytes before its end: %w", errUnusual, b.path, len(rest), err)
		}
		if verify != nil && !rec.isIntact(verify) {
			return fmt.Errorf("%w in %s: a wrong checksum", errUnusual, b.path)
		}
		if gap := rec.seq &^ (erased | tombstone); b.messages > 0 && rec.seq&tombstone == 0 && gap > b.last+maxGap {
			return fmt.Errorf("%w in %s: sequence %d after %d", errUnusual, b.path, gap, b.last)
		}
		copy(b.checksum[:], rec.checksum)
		r.take(b, &rec)
		rest = rest[rec.length:]
	}
	if b.messages == 0 {
		return fmt.Errorf("%w: no message in %s", errUnusual, b.path)
	}
	return nil
}

// load reads the file of a block into the buffer.
func (r *reader) load(b *block) error {
	f, err := os.Open(b.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if int64(cap(r.buf)) < b.size {
		r.buf = make([]byte, b.size)
	}
	r.buf = r.buf[:b.size]
	_, err = f.ReadAt(r.buf, 0)
	return err
}

// take adds a record to the description of its block.
func (r *reader) take(b *block, rec *record) {
	if rec.seq&tombstone != 0 {
		b.tombstones = append(b.tombstones, rec.seq&^tombstone)
		return
	}
	seq := rec.seq &^ erased
	if seq <= b.last { // it was deleted when the block was written anew, or has no sequence
		return
	}
	isMessage := rec.seq&erased == 0 && !r.removed[seq]
	switch {
	case b.messages > 0:
		for gap := b.last + 1; gap < seq; gap++ {
			b.deleted.Insert(gap)
		}
		if !isMessage {
			b.deleted.Insert(seq)
		}
	case isMessage:
		b.first, b.firstTime = seq, rec.time
	}
	b.last, b.lastTime = seq, rec.time
	if isMessage {
		b.messages++
		b.bytes += uint64(rec.length)
		r.count(rec.subject, b.number)
	}
}

// count counts a message of a subject.
func (r *reader) count(subject []byte, number uint32) {
	s := r.subjects[string(subject)]
	if s == nil {
		s = &subjectInfo{first: number}
		r.subjects[string(subject)] = s
	}
	s.total++
	s.first, s.last = min(s.first, number), max(s.last, number)
}

// A record is a part of a block.
type record struct {
	length   int
	seq      uint64 // with its bits
	time     int64
	subject  []byte
	head     []byte // the part of the head that the checksum covers
	body     []byte // the header without its length, and the data
	checksum []byte
}

// parse reads the record with which a text begins. The record uses the text.
func parse(text []byte) (rec record, err error) {
	if len(text) < headLen {
		return rec, errors.New("an incomplete record")
	}
	length := binary.LittleEndian.Uint32(text)
	subject, skip := int(binary.LittleEndian.Uint16(text[20:])), 0
	if length&hasHeader != 0 {
		skip = 4
	}
	rec.length = int(length &^ hasHeader)
	if rec.length > len(text) || rec.length > maxRecord || rec.length < headLen+subject+skip+checksumLen {
		return rec, fmt.Errorf("a record of %d bytes", rec.length)
	}
	rec.seq, rec.time = binary.LittleEndian.Uint64(text[4:]), int64(binary.LittleEndian.Uint64(text[12:]))
	end := rec.length - checksumLen
	rec.head, rec.subject, rec.body, rec.checksum = text[4:20], text[headLen:headLen+subject], text[headLen+subject+skip:end], text[end:rec.length]
	return rec, nil
}

func (rec *record) isIntact(sum *highwayhash.Digest64) bool {
	sum.Reset()
	_, _ = sum.Write(rec.head) // it never fails
	_, _ = sum.Write(rec.subject)
	_, _ = sum.Write(rec.body)
	var is [checksumLen]byte
	return bytes.Equal(sum.Sum(is[:0]), rec.checksum)
}

// newSum returns the hash with which nats-server checks a file. The name is the key.
func newSum(name string) (*highwayhash.Digest64, error) {
	key := sha256.Sum256([]byte(name))
	return highwayhash.NewDigest64(key[:])
}
