package output

import (
	"strings"
	"testing"
)

// text returns the references of a queue, one by one.
func text(q *Queue) string {
	var all []string
	for _, r := range q.Live() {
		all = append(all, string(r.B))
	}
	return strings.Join(all, " ")
}

func newTotal() *Total {
	t := &Total{Over: func() {}}
	t.SetLimit(1 << 20)
	return t
}

// The rest of a write goes before what was queued during it, and a pong behind the frame that is
// partly written. A later pong replaces one of which nothing is written.
func TestFront(t *testing.T) {
	total := newTotal()
	q := New(total)
	first, second := NewBuffer([]byte("first")), NewBuffer([]byte("second"))
	q.Append(second, second.B)
	q.Front(Ref{first, first.B[2:]}, true)
	if got := text(q); got != "rst second" || q.Size() != 9 {
		t.Errorf("queued: %s, %d bytes", got, q.Size())
	}
	q.SetPong([]byte("pong"))
	if q.QueuePong(); text(q) != "rst pong second" || q.Size() != 13 {
		t.Errorf("queued with a pong: %s, %d bytes", text(q), q.Size())
	}
	q.SetPong([]byte("later"))
	if q.QueuePong(); text(q) != "rst later second" || q.Size() != 14 {
		t.Errorf("queued with a later pong: %s, %d bytes", text(q), q.Size())
	}
	q.Consume(4)
	q.SetPong([]byte("last"))
	if q.QueuePong(); text(q) != "ater last second" {
		t.Errorf("queued behind a pong that is partly written: %s", text(q))
	}
	q.Consume(q.Size())
	if q.Size() != 0 || text(q) != "" || total.Load() != 0 {
		t.Errorf("all is written: %d bytes, %s, %d counted", q.Size(), text(q), total.Load())
	}
	q.Free()
}

// A buffer counts once in the total, however many queues hold it, and each of them has its share of
// its weight.
func TestSharedBuffer(t *testing.T) {
	total := newTotal()
	b := NewBuffer(make([]byte, 1000))
	one, two := New(total), New(total)
	one.Append(b, b.B)
	two.Append(b, b.B[:10])
	two.Append(b, b.B[10:]) // goes on where the last one ends
	if want := int64(b.Size()) + 2*RefSize; total.Load() != want || len(two.Live()) != 1 {
		t.Errorf("%d bytes are counted, want %d; %d references", total.Load(), want, len(two.Live()))
	}
	if want := int(RefSize) + b.Size()/2; one.Weight() != want || two.Weight() != want {
		t.Errorf("weights are %d and %d, want %d", one.Weight(), two.Weight(), want)
	}
	one.Drop(false)
	if want := int(RefSize) + b.Size(); two.Weight() != want {
		t.Errorf("the weight is %d, want %d", two.Weight(), want)
	}
	if two.Drop(true); total.Load() != 0 {
		t.Errorf("%d bytes are still counted", total.Load())
	}
}

// A queue is trimmed to what must still be written.
func TestTrim(t *testing.T) {
	for _, c := range []struct {
		cut     bool
		writing int
		want    string
	}{{false, 0, ""}, {true, 0, "a"}, {false, 2, "a b"}, {true, 2, "a b"}, {true, 9, "a b c"}} {
		total := newTotal()
		q := New(total)
		a, b, last := NewBuffer([]byte("a")), NewBuffer([]byte("b")), NewBuffer([]byte("c"))
		q.Front(Ref{a, a.B}, c.cut)
		q.Append(b, b.B)
		q.Append(last, last.B)
		q.SetPong([]byte("pong"))
		q.Trim(c.writing)
		if got := text(q); got != c.want || q.Size() != len(strings.ReplaceAll(c.want, " ", "")) {
			t.Errorf("%+v: %q is left, %d bytes", c, got, q.Size())
		}
		if q.Drop(false); total.Load() != 0 {
			t.Errorf("%+v: %d bytes are still counted", c, total.Load())
		}
	}
}

// Replies above the high watermark do not count in the limit.
func TestExempt(t *testing.T) {
	q := New(newTotal())
	b := NewBuffer(make([]byte, 1000))
	if !q.Fits(5000, 1000) {
		t.Error("an empty queue does not take a message above the limit")
	}
	q.Append(b, b.B)
	if q.Fits(10, 1000) {
		t.Error("a full queue takes more")
	}
	if q.Exempt(100, 1000); !q.Fits(10, 1000) {
		t.Error("an exempt reply counts")
	}
	if q.EndExempt(); q.Fits(10, 1000) {
		t.Error("the exemption does not end")
	}
	q.Drop(false)
}
