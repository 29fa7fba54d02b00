package cluster

import (
	"webim/bench/load"
	"webim/bench/stat"
)

// packedTotals is the form of load.Totals on the pipe.
type packedTotals struct {
	Hist                                     *stat.PackedHist
	InWindow, Duplicates, Reordered, Foreign int64
	Received                                 int64
	Sent, Held, Unsent                       int
	Lag                                      int64
}

func packTotals(n *load.Totals) *packedTotals {
	return &packedTotals{n.Hist.Pack(), n.InWindow, n.Duplicates, n.Reordered, n.Foreign, n.Received.Load(), n.Sent, n.Held, n.Unsent, n.Lag}
}

// unpackTotals adds p to n.
func unpackTotals(n *load.Totals, p *packedTotals) {
	n.Hist.Unpack(p.Hist)
	n.InWindow += p.InWindow
	n.Duplicates += p.Duplicates
	n.Reordered += p.Reordered
	n.Foreign += p.Foreign
	n.Received.Add(p.Received)
	n.Sent, n.Held, n.Unsent, n.Lag = n.Sent+p.Sent, n.Held+p.Held, n.Unsent+p.Unsent, max(n.Lag, p.Lag)
}
