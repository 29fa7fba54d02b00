package reindex

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// appendRecord appends a message without a body and without a valid checksum.
func appendRecord(to []byte, seq uint64) []byte {
	const subject = "a"
	to = binary.LittleEndian.AppendUint32(to, headLen+uint32(len(subject))+checksumLen)
	to = binary.LittleEndian.AppendUint64(to, seq)
	to = binary.LittleEndian.AppendUint64(to, 1)
	to = binary.LittleEndian.AppendUint16(to, uint16(len(subject)))
	return append(append(to, subject...), make([]byte, checksumLen)...)
}

// TestGaps reads blocks whose sequences have gaps. A damaged sequence must not make the reader count up to it.
func TestGaps(t *testing.T) {
	for _, c := range []struct {
		name  string
		seqs  []uint64
		whole bool
	}{
		{"no gap", []uint64{7, 8}, true},
		{"a gap", []uint64{7, 7000}, true},
		{"a first sequence far away", []uint64{1 << 60, 1<<60 + 2}, true},
		{"a damaged sequence", []uint64{7, 1 << 60}, false},
	} {
		var text []byte
		for _, seq := range c.seqs {
			text = appendRecord(text, seq)
		}
		path := filepath.Join(t.TempDir(), "1.blk")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		b := &block{number: 1, path: path, size: int64(len(text))}
		r := reader{subjects: map[string]*subjectInfo{}}
		err := r.read(b, nil)
		if !c.whole {
			if !errors.Is(err, errUnusual) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		first, last := c.seqs[0], c.seqs[len(c.seqs)-1]
		if err != nil || b.first != first || b.last != last || b.deleted.Size() != int(last-first)-1 {
			t.Errorf("%s: %v; %d to %d, %d deleted", c.name, err, b.first, b.last, b.deleted.Size())
		}
	}
}
