package encode

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// keptCut is a cut, what it must say, and the queue that refers to it, or nil.
type keptCut struct {
	Cut
	copy  []byte
	queue *output.Queue
}

// total counts what the queues of a server hold.
func total() *output.Total {
	t := new(output.Total)
	t.SetLimit(1 << 40)
	return t
}

// queueOf returns a queue of a server that refers to a buffer.
func queueOf(s *output.Total, b *output.Buffer) *output.Queue {
	q := output.New(s)
	q.Append(b, b.B)
	return q
}

// logModel is a Log beside a plain list of the messages in it.
type logModel struct {
	log      *Log
	messages [][]byte
	ops      []ws.OpCode
	ends     []uint64 // position behind each message
	cursors  []uint64 // always between two frames
}

func (m *logModel) pending() uint64 { return slices.Min(m.cursors) }

// between reports how many messages lie before a position; -1: it is inside one.
func (m *logModel) between(pos uint64) int {
	if pos == 0 {
		return 0
	}
	i, ok := slices.BinarySearch(m.ends, pos)
	if !ok {
		return -1
	}
	return i + 1
}

// check compares a cut with what it must be.
func (m *logModel) check(t *rapid.T, from uint64, cut Cut) {
	a, b := m.between(from), m.between(cut.End())
	switch {
	case a < 0 || b < 0:
		t.Fatalf("cut %d–%d does not lie between frames", from, cut.End())
	case b == a && a < len(m.messages):
		t.Fatalf("an empty cut at %d of %d", from, m.log.End())
	case cut.Messages != b-a:
		t.Fatalf("a cut of %d frames says %d", b-a, cut.Messages)
	case len(cut.Bytes) > MaxCut && b-a > 1:
		t.Fatalf("a cut of %d bytes has %d frames", len(cut.Bytes), b-a)
	case cut.End() != from+uint64(len(cut.Bytes)):
		t.Fatalf("cut of %d bytes from %d ends at %d", len(cut.Bytes), from, cut.End())
	}
	m.compare(t, cut.Bytes, a, b)
}

// compare reads the frames of a cut back, naively.
func (m *logModel) compare(t *rapid.T, b []byte, from, to int) {
	for i := from; i < to; i++ {
		op, compressed, r := ws.OpCode(b[0]&15), b[0]&0x40 != 0, bytes.NewReader(b)
		before := r.Len()
		header, err := ws.ReadHeader(r)
		size := before - r.Len()
		n := size + int(header.Length)
		if err != nil || header.Masked || n > len(b) {
			t.Fatalf("message %d: % x is no frame", i, b[:min(len(b), 10)])
		}
		payload := b[size:n]
		if compressed {
			payload, _ = frame.Inflate(nil, payload, 1<<24)
		}
		if op != m.ops[i] || compressed && (m.log.variant == Plain || len(m.messages[i]) < 256) || !bytes.Equal(payload, m.messages[i]) {
			t.Fatalf("message %d: %v %.40q (%d bytes), want %v %.40q (%d bytes)", i, op, payload, len(payload), m.ops[i], m.messages[i], len(m.messages[i]))
		}
		b = b[n:]
	}
	if len(b) > 0 {
		t.Fatalf("%d bytes behind the frames of a cut", len(b))
	}
}

func TestLog(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 255, 256, 1000, segMin, markEvery - 4, markEvery, MaxCut - 10, MaxCut, MaxCut + 1, segMax, 2*segMax + 5}
	most := 512 << 10 // bytes in a log
	if wstest.Long() {
		most = 2 << 20
	}
	s := total()
	for v := Plain; v < numVariants; v++ {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				m := &logModel{log: NewLog(v), cursors: make([]uint64, rapid.IntRange(1, 4).Draw(t, "cursors"))}
				written, bound := 0, 1000
				if v != Plain {
					bound = 40 // compressing is slow under the race detector
				}
				var kept []keptCut
				cursor := func(t *rapid.T) int { return rapid.IntRange(0, len(m.cursors)-1).Draw(t, "cursor") }
				t.Repeat(map[string]func(*rapid.T){
					"append": func(t *rapid.T) {
						size := rapid.SampledFrom(sizes).Draw(t, "size")
						for range rapid.SampledFrom([]int{1, 2, 30, 200}).Draw(t, "times") {
							if len(m.messages) > bound || written > most {
								return
							}
							written += size
							op := ws.OpText
							if len(m.messages)%3 == 0 {
								op = ws.OpBinary
							}
							data := []byte(strings.Repeat(fmt.Sprint(len(m.messages), "~"), size/2+1)[:size])
							m.messages, m.ops = append(m.messages, bytes.Clone(data)), append(m.ops, op)
							before := m.log.End()
							m.log.Append(op, data, 256)
							clear(data) // it may be reused
							if m.ends = append(m.ends, m.log.End()); m.log.End() <= before {
								t.Fatal("the log's end stands still")
							}
						}
					},
					"next": func(t *rapid.T) {
						i := cursor(t)
						cut := m.log.Next(m.cursors[i])
						if len(cut.Bytes) == 0 {
							if m.cursors[i] != m.log.End() {
								t.Fatalf("nothing pending at %d of %d", m.cursors[i], m.log.End())
							}
							return
						}
						m.check(t, m.cursors[i], cut)
						m.cursors[i] = cut.End()
						if len(kept) < 20 {
							one := keptCut{Cut: cut, copy: bytes.Clone(cut.Bytes)}
							if rapid.Bool().Draw(t, "queued") {
								one.queue = queueOf(s, cut.Buf)
							}
							kept = append(kept, one)
						}
					},
					"after": func(t *rapid.T) {
						i := cursor(t)
						cut := m.log.Next(m.cursors[i])
						if len(cut.Bytes) == 0 {
							return
						}
						a, b := m.between(m.cursors[i]), m.between(cut.End())
						n := rapid.IntRange(max(0, a-2), min(b+2, len(m.ends))).Draw(t, "message")
						var pos uint64
						if n > 0 {
							pos = m.ends[n-1]
						}
						switch rest := cut.After(pos); {
						case n >= b && len(rest.Bytes) != 0:
							t.Fatal("something behind the end of a cut")
						case n >= b:
						case n <= a && (len(rest.Bytes) != len(cut.Bytes) || rest.Messages != cut.Messages):
							t.Fatal("less than all behind the beginning of a cut")
						default:
							m.check(t, max(pos, m.cursors[i]), rest)
							if rest.End() != cut.End() || !bytes.HasSuffix(cut.Bytes, rest.Bytes) || rest.Buf != cut.Buf {
								t.Fatal("the rest of a cut is not its rest")
							}
						}
					},
					"forget": func(t *rapid.T) {
						m.log.Forget(m.pending())
						kept = slices.DeleteFunc(kept, func(k keptCut) bool { return k.queue == nil && k.End() <= m.pending() })
					},
					"write": func(t *rapid.T) { // a queue lets go
						if i := slices.IndexFunc(kept, func(k keptCut) bool { return k.queue != nil }); i >= 0 {
							kept[i].queue.Drop(false)
							kept = slices.Delete(kept, i, i+1)
						}
					},
					"join": func(t *rapid.T) { // at the end, as a member does
						if len(m.cursors) < 8 {
							m.cursors = append(m.cursors, m.log.End())
						}
					},
					"leave": func(t *rapid.T) {
						if i := cursor(t); len(m.cursors) > 1 {
							m.cursors = slices.Delete(m.cursors, i, i+1)
						}
					},
					"": func(t *rapid.T) {
						for i := range kept {
							if !bytes.Equal(kept[i].Bytes, kept[i].copy) {
								t.Fatalf("cut %d has changed behind its holder's back", i)
							}
						}
					},
				})
				for i := range m.cursors { // everybody gets everything
					for m.cursors[i] < m.log.End() {
						cut := m.log.Next(m.cursors[i])
						m.check(t, m.cursors[i], cut)
						m.cursors[i] = cut.End()
					}
				}
				if m.log.Forget(m.pending()); m.log.first != nil || m.log.last != nil {
					t.Fatal("a quiet log holds segments")
				}
				if cut := m.log.Next(m.log.End()); len(cut.Bytes) != 0 {
					t.Fatal("something is pending at the end")
				}
			})
		})
	}
}

// A busy log's cuts are large: few writes for many messages.
func TestLogCutsAreLarge(t *testing.T) {
	log := NewLog(Plain)
	message := bytes.Repeat([]byte("x"), 128)
	const messages = 10_000
	for range messages {
		log.Append(ws.OpText, message, 256)
	}
	n := 0
	for at := uint64(0); at < log.End(); n++ {
		at = log.Next(at).End()
	}
	if least := int(log.End()/MaxCut) + 1; n > 2*least+8 {
		t.Errorf("%d cuts for %d bytes; %d would do", n, log.End(), least)
	}
}

// What a quiet log's next segment holds shrinks to what is said in it.
func TestLogGrowsAndShrinks(t *testing.T) {
	log := NewLog(Plain)
	for range 10_000 {
		log.Append(ws.OpText, []byte("a busy room"), 256)
	}
	log.Forget(log.End())
	busy := log.size
	for range 20 {
		log.Append(ws.OpText, []byte("a quiet one"), 256)
		log.Forget(log.End())
	}
	if busy <= segMin || log.size != segMin {
		t.Errorf("segments of %d bytes when busy, then %d", busy, log.size)
	}
}

// A lone message after another, each forgotten once it is offered, allocates nothing.
func TestLogAllocatesNothing(t *testing.T) {
	for _, v := range []Variant{Plain, Deflate} {
		for _, size := range []int{10, 128, 600, 3000, 100_000} {
			log, data := NewLog(v), bytes.Repeat([]byte("a message "), size/10)
			once := func() {
				log.Append(ws.OpText, data, 256)
				log.Forget(log.Next(log.End() - 1).End())
				log.Forget(log.End())
			}
			for range 100 {
				once()
			}
			if n := testing.AllocsPerRun(100, once); n >= 1 && pools {
				t.Errorf("variant %d: %v allocations for a message of %d bytes", v, n, size)
			}
		}
	}
}

// A segment that a queue holds for a moment, as at the end of a turn that replies too, is used
// again: whether the queue or the log lets go of it last.
func TestQueuedSegmentIsUsedAgain(t *testing.T) {
	s := total()
	log, data := NewLog(Plain), []byte("a lone message")
	for name, end := range map[string]func(q *output.Queue){
		"the queue": func(q *output.Queue) { log.Forget(log.End()); q.Drop(false) },
		"the log":   func(q *output.Queue) { q.Drop(false); log.Forget(log.End()) },
	} {
		once := func() {
			log.Append(ws.OpText, data, 256)
			end(queueOf(s, log.Next(log.End()-1).Buf))
		}
		once()
		if n := testing.AllocsPerRun(100, once); n >= 1 && pools {
			t.Errorf("%s lets go last: %v allocations", name, n)
		}
	}
}

// A queue that holds a segment keeps none of those behind it.
func TestQueuedSegmentKeepsNoOther(t *testing.T) {
	s := total()
	log := NewLog(Plain)
	log.Append(ws.OpText, make([]byte, segMax), 256)
	log.Append(ws.OpText, make([]byte, segMax), 256)
	first := log.first
	queueOf(s, &first.Buffer)
	log.Forget(log.End())
	if first.Next != nil {
		t.Error("the first segment still refers to the second")
	}
}

// A queue may let go of a segment while its log forgets it and the segment's next user
// takes it from the pool. The race detector sees a release that still looks at it then.
func TestReleaseBesideForget(t *testing.T) {
	s := total()
	log := NewLog(Plain)
	released := make(chan struct{})
	for range 2000 {
		log.Append(ws.OpText, []byte("a lone message"), 256)
		q := queueOf(s, log.Next(log.End()-1).Buf)
		go func() {
			q.Drop(false)
			released <- struct{}{}
		}()
		log.Forget(log.End())
		lone := One(ws.OpText, []byte("a reply that goes to one client"), Plain, 0)
		<-released
		if lone.Users() != 1 {
			t.Fatal("a queue gave back a segment that is no longer its own")
		}
		lone.Leave()
	}
}

// Segments that a queue, a write under way or another server may still read are not used
// again.
func TestSegmentsInUseAreNotRecycled(t *testing.T) {
	s, other := total(), total()
	for name, use := range map[string]func(b *output.Buffer){
		"queued": func(b *output.Buffer) { queueOf(s, b) },
		"another server's": func(b *output.Buffer) {
			q := queueOf(s, b)
			queueOf(other, b)
			q.Drop(false)
		},
		"being written when the queue was dropped": func(b *output.Buffer) {
			queueOf(s, b).Drop(true)
		},
	} {
		log := NewLog(Plain)
		log.Append(ws.OpText, []byte("mine"), 256)
		cut := log.Next(0)
		use(cut.Buf)
		log.Forget(log.End())
		for range 100 {
			log.Append(ws.OpText, []byte("oops"), 256)
			log.Forget(log.End())
		}
		if !bytes.HasSuffix(cut.Bytes, []byte("mine")) {
			t.Errorf("%s: %q", name, cut.Bytes)
		}
	}
}
