package load

import (
	"encoding/binary"
	"slices"
	"testing"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/stamp"
	"webim/bench/stat"
	"webim/bench/ws"
)

func TestScheduleDependsOnNothing(t *testing.T) {
	s := NewSchedule(1000, 300, 4, 20)
	if s.Total != 1200 || s.Due(0) != 1000 || s.Due(300) != 1000+1e9 || s.End < s.Due(1199) {
		t.Errorf("%+v", s)
	}
}

// The remainder without division equals the remainder.
func TestCheckerSenders(t *testing.T) {
	for _, senders := range []int{1, 2, 3, 7, 20, 64, 1000} {
		ta := newFloodChecker(NewSchedule(stat.Now(), 1e6, .01, senders), option.FixedSize(128), stamp.NewTag())
		c := &client.Client{}
		ta.Prepare(c)
		for seq := range uint32(ta.Total) {
			ta.count(c, seq, stat.Now())
		}
		for i, last := range c.Last {
			if int(last-1)%senders != i {
				t.Fatalf("%d senders: message %d counted for sender %d", senders, last-1, i)
			}
		}
		if ta.Reordered+ta.Duplicates+ta.Foreign != 0 || int(ta.Hist.Count()) != ta.Total {
			t.Fatalf("%d senders: %+v", senders, ta.Reordered)
		}
	}
}

func TestCheckerEverySplit(t *testing.T) {
	tag := stamp.NewTag()
	var b []byte
	payload := make([]byte, 130)
	for seq := range uint32(3) {
		binary.LittleEndian.PutUint64(payload, stamp.Letters(seq))
		binary.LittleEndian.PutUint64(payload[8:], tag)
		b = ws.AppendFrame(b, ws.Text, payload, nil)
	}
	for i := 0; i <= len(b); i++ {
		for j := i; j <= len(b); j += 7 {
			ta, c := newFloodChecker(NewSchedule(stat.Now(), 3, 1, 2), option.FixedSize(130), tag), &client.Client{}
			ta.Prepare(c)
			for _, part := range [][]byte{b[:i], b[i:j], b[j:]} {
				if err := ta.Data(c, slices.Clone(part), stat.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if ta.Received.Load() != 3 || ta.Duplicates+ta.Reordered+ta.Foreign != 0 {
				t.Fatalf("split %d/%d: %d received", i, j, ta.Received.Load())
			}
		}
	}
}

// The time for a received frame, without the kernel's part.
func BenchmarkChecker(b *testing.B) {
	tag := stamp.NewTag()
	var buf []byte
	payload := make([]byte, 128)
	ta := newFloodChecker(NewSchedule(stat.Now(), 8000, 4, 20), option.FixedSize(128), tag)
	for seq := range uint32(200) {
		binary.LittleEndian.PutUint64(payload, stamp.Letters(seq))
		binary.LittleEndian.PutUint64(payload[8:], tag)
		buf = ws.AppendFrame(buf, ws.Text, payload, nil)
	}
	c := &client.Client{}
	ta.Prepare(c)
	b.ReportAllocs()
	for range b.N {
		clear(c.Seen)
		clear(c.Last)
		if err := ta.Data(c, buf, stat.Now()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/200, "ns/frame")
}
