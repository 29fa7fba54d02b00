package load

import (
	"encoding/binary"
	"math"
	"math/bits"

	"webim/bench/client"
	"webim/bench/option"
	"webim/bench/stamp"
	"webim/bench/ws"
)

// floodChecker is the sink of one receiver's clients in a flood. It checks and counts every message.
type floodChecker struct {
	Schedule
	Counts

	// These fields describe an expected frame as machine words, so that two comparisons recognise a frame of the flood.
	frame      int // its length; 0 if the header is longer than a word, or if sizes differ
	header     int
	wantHeader uint64
	headerMask uint64
	tag        uint64
	modulo     uint64 // ^0/senders + 1
}

func newFloodChecker(s Schedule, size option.Size, tag uint64) *floodChecker {
	t := &floodChecker{Schedule: s, tag: tag, modulo: math.MaxUint64/uint64(s.Senders) + 1}
	n, ok := size.Fixed()
	h := ws.AppendHeader(nil, ws.Text, n, nil)
	if ok && len(h) <= 8 {
		var word [8]byte
		t.header, t.frame = copy(word[:], h), len(h)+n
		t.wantHeader, t.headerMask = binary.LittleEndian.Uint64(word[:]), math.MaxUint64>>(64-8*len(h))
	}
	return t
}

// Prepare gives a client one bit per message and one number per sender. It runs on the client's receiver.
func (t *floodChecker) Prepare(c *client.Client) {
	c.Remember(t.Total, t.Senders)
	c.Sink = t
}

func (t *floodChecker) Data(c *client.Client, b []byte, at int64) error {
	before := t.Hist.Total
	defer func() { t.Received.Add(int64(t.Hist.Total - before)) }()
	for len(b) > 0 {
		if c.Decoder.Idle() {
			b = t.wholeFrames(c, b, at)
			if len(b) == 0 {
				return nil
			}
		}
		ev, n, ok, err := c.Decoder.Next(b)
		b = b[n:]
		switch {
		case err != nil:
			return err
		case !ok:
		case ev.Op >= ws.Close:
			if err := c.Control(ev); err != nil {
				return err
			}
		default:
			if seq, tag := stamp.Read(&ev.Head); tag == t.tag {
				t.count(c, seq, at)
			} else {
				t.Foreign++
			}
		}
	}
	return nil
}

// wholeFrames counts the whole frames of the expected form at the beginning of b, and returns the rest for the decoder. A
// flood spends its time in this loop: a frame takes two loads, two comparisons and count.
func (t *floodChecker) wholeFrames(c *client.Client, b []byte, at int64) []byte {
	for t.frame > 0 && len(b) >= t.frame && binary.LittleEndian.Uint64(b)&t.headerMask == t.wantHeader &&
		binary.LittleEndian.Uint64(b[t.header+8:]) == t.tag {
		t.count(c, stamp.Number(binary.LittleEndian.Uint64(b[t.header:])), at)
		b = b[t.frame:]
	}
	return b
}

// count counts one message.
func (t *floodChecker) count(c *client.Client, seq uint32, at int64) {
	if !t.Once(c.Seen, seq) {
		return
	}
	from, _ := bits.Mul64(t.modulo*uint64(seq), uint64(t.Senders)) // seq % senders without a division (Lemire, 2019)
	if t.Senders == 1 {
		from = 0 // modulo overflows with one sender
	}
	if seq < c.Last[from] {
		t.Reordered++
	} else {
		c.Last[from] = seq + 1
	}
	if at <= t.End {
		t.InWindow++
	}
	t.Hist.Record(at - t.Due(seq))
}
