//go:build !race

package envelope

import "testing"

// TestAllocations checks that encoding needs no memory besides the result, and decoding only the map of
// the tags. The race detector allocates by itself.
func TestAllocations(t *testing.T) {
	chat := examples[1].m
	plain := chat
	plain.Tags = nil
	buf := make([]byte, 0, 1024)
	for _, m := range []*Envelope{&chat, &plain} {
		if n := testing.AllocsPerRun(100, func() { buf = AppendPersonal(Append(buf[:0], m), m) }); n != 0 {
			t.Errorf("encoding with %d tags: %v allocations", len(m.Tags), n)
		}
	}
	plainBytes := Append(nil, &plain)
	if n := testing.AllocsPerRun(100, func() { sink, _ = Decode(plainBytes) }); n != 0 {
		t.Errorf("decoding without tags: %v allocations", n)
	}
	chatBytes := Append(nil, &chat)
	table := testing.AllocsPerRun(100, func() { tags := make(map[string]string, 2); tags["id"], tags["reply"] = "", ""; sink.Tags = tags })
	if n := testing.AllocsPerRun(100, func() { sink, _ = Decode(chatBytes) }); n != table {
		t.Errorf("decoding with tags: %v allocations, of which the map takes %v", n, table)
	}
}
