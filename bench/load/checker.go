package load

import (
	"sync/atomic"

	"webim/bench/client"
	"webim/bench/stat"
)

// Counts is what the clients of one worker have received. The worker owns it but for received.
type Counts struct {
	Hist       stat.Hist
	InWindow   int64 // received until the window's end
	Duplicates int64
	Reordered  int64 // came after a later message of the same sender
	Foreign    int64 // messages that are not of this run

	Received atomic.Int64 // each message and client once
}

// Add takes what another worker has counted.
func (n *Counts) Add(o *Counts) {
	n.Hist.Merge(&o.Hist)
	n.InWindow += o.InWindow
	n.Duplicates += o.Duplicates
	n.Reordered += o.Reordered
	n.Foreign += o.Foreign
	n.Received.Add(o.Received.Load())
}

func (n *Counts) sum() *Counts { return n }

// Once notes that message i of words has come, and reports whether it had not before.
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

// Checker is a sink that counts what comes of a schedule: one for each worker.
type Checker interface {
	client.Sink
	Prepare(c *client.Client) // prepares a client, on its worker
	sum() *Counts
}
