package bench

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync/atomic"
)

// counts is what the clients of one worker have received. The worker owns it but for received.
type counts struct {
	hist       Hist
	inWindow   int64 // received until the window's end
	duplicates int64
	reordered  int64 // came after a later message of the same sender
	foreign    int64 // messages that are not of this run

	received atomic.Int64 // each message and client once
}

// add takes what another worker has counted.
func (n *counts) add(o *counts) {
	n.hist.Merge(&o.hist)
	n.inWindow += o.inWindow
	n.duplicates += o.duplicates
	n.reordered += o.reordered
	n.foreign += o.foreign
	n.received.Add(o.received.Load())
}

func (n *counts) sum() *counts { return n }

// once notes that message i of words has come, and reports whether it had not before.
func (n *counts) once(words []uint64, i uint32) bool {
	word, bit := int(i>>6), uint64(1)<<(i&63)
	if word >= len(words) {
		n.foreign++
		return false
	}
	if words[word]&bit != 0 {
		n.duplicates++
		return false
	}
	words[word] |= bit
	return true
}

// checker is a sink that counts what comes of a schedule: one for each worker.
type checker interface {
	sink
	watch(c *client) // prepares a client, on its worker
	sum() *counts
}

// tally checks and counts what the clients of one worker receive of a flood: it is their sink.
type tally struct {
	schedule
	counts

	// What an expected frame looks like, as words: a frame of a flood is recognised with two comparisons.
	frame    int // its length; 0 if the header is too long for this, or sizes differ
	header   int
	want     uint64
	wantMask uint64
	tag      uint64
	modulo   uint64 // ^0/senders + 1
}

func newTally(s schedule, size Size, tag uint64) *tally {
	t := &tally{schedule: s, tag: tag, modulo: math.MaxUint64/uint64(s.senders) + 1}
	n, ok := size.fixed()
	h := appendHeader(nil, opText, n, nil)
	if ok && len(h) <= 8 {
		var word [8]byte
		t.header, t.frame = copy(word[:], h), len(h)+n
		t.want, t.wantMask = binary.LittleEndian.Uint64(word[:]), math.MaxUint64>>(64-8*len(h))
	}
	return t
}

// watch prepares a client: a bit for each message, a number for each sender. It runs on the client's worker.
func (t *tally) watch(c *client) {
	c.remember(t.total, t.senders)
	c.sink = t
}

func (t *tally) data(c *client, b []byte, at int64) error {
	before := t.hist.total
	defer func() { t.received.Add(int64(t.hist.total - before)) }()
	for len(b) > 0 {
		if c.dec.idle() {
			b = t.straight(c, b, at)
			if len(b) == 0 {
				return nil
			}
		}
		ev, n, ok, err := c.dec.Next(b)
		b = b[n:]
		switch {
		case err != nil:
			return err
		case !ok:
		case ev.Op >= opClose:
			if err := c.control(ev); err != nil {
				return err
			}
		default:
			if seq, tag := stampOf(&ev.Head); tag == t.tag {
				t.count(c, seq, at)
			} else {
				t.foreign++
			}
		}
	}
	return nil
}

// straight takes whole frames of the expected form off b; the first that is different, or cut, is for the decoder. This loop is what a flood
// runs in: a frame is two loads, two comparisons and count.
func (t *tally) straight(c *client, b []byte, at int64) []byte {
	for t.frame > 0 && len(b) >= t.frame && binary.LittleEndian.Uint64(b)&t.wantMask == t.want &&
		binary.LittleEndian.Uint64(b[t.header+8:]) == t.tag {
		t.count(c, number(binary.LittleEndian.Uint64(b[t.header:])), at)
		b = b[t.frame:]
	}
	return b
}

// count takes one message.
func (t *tally) count(c *client, seq uint32, at int64) {
	if !t.once(c.seen, seq) {
		return
	}
	from, _ := bits.Mul64(t.modulo*uint64(seq), uint64(t.senders)) // seq % senders without a division (Lemire, 2019)
	if t.senders == 1 {
		from = 0 // where modulo overflows
	}
	if seq < c.last[from] {
		t.reordered++
	} else {
		c.last[from] = seq + 1
	}
	if at <= t.end {
		t.inWindow++
	}
	t.hist.Record(at - t.due(seq))
}
