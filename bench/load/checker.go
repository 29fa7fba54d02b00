package load

import (
	"sync/atomic"

	"webim/bench/client"
	"webim/bench/stat"
)

// Counts are the counters of the clients of one receiver. The receiver owns all fields except Received.
type Counts struct {
	Hist       stat.Hist
	InWindow   int64 // deliveries before the end of the window
	Duplicates int64
	Reordered  int64 // deliveries after a later message of the same sender
	Foreign    int64 // messages of another run or another program

	Received atomic.Int64 // deliveries: each message counts once per client
}

// Add adds the counters of another receiver.
func (n *Counts) Add(o *Counts) {
	n.Hist.Merge(&o.Hist)
	n.InWindow += o.InWindow
	n.Duplicates += o.Duplicates
	n.Reordered += o.Reordered
	n.Foreign += o.Foreign
	n.Received.Add(o.Received.Load())
}

func (n *Counts) sum() *Counts { return n }

// Once sets bit i of words for a received message. It reports true if the message is new; otherwise it counts a duplicate.
func (n *Counts) Once(words []uint64, i uint32) bool {
	word, bit := int(i>>6), uint64(1)<<(i&63)
	if word >= len(words) {
		n.Foreign++
		return false
	}
	if words[word]&bit != 0 {
		n.Duplicates++
		return false
	}
	words[word] |= bit
	return true
}

// Checker is a sink that checks and counts the messages of a schedule. There is one per receiver.
type Checker interface {
	client.Sink
	Prepare(c *client.Client) // prepares a client; runs on its receiver
	sum() *Counts
}
