package room

import (
	"runtime"
	"time"

	"webim/netpoll"
	"webim/room/internal/pause"
)

// sweepBatch is the number of members that one run of the turn serves, which takes about a
// millisecond. Then the worker can serve other rooms.
const sweepBatch = 128

// sweep runs as the shard's turn: it offers the pending messages to one batch of members.
func (sh *shard) sweep() (more bool) {
	began := time.Now()
	if sh.cut.Len() == 0 && !sh.beginSweep(began) {
		return false
	}
	var batch [sweepBatch]shardSlot
	n, last := sh.nextBatch(&batch)
	for _, p := range batch[:n] {
		if cut := sh.cut.After(p.from); p.id != 0 && cut.Len() > 0 {
			// ErrSlow closes the connection and ErrClosed says that it is closed; in
			// both cases the server calls Hub.Close.
			_ = sh.room.hub.server.Offer(p.id, cut)
			sh.latency.Offer(cut.Messages())
		}
	}
	now := time.Now()
	sh.elapsed += now.Sub(began)
	if !last {
		// The writes are raw system calls, so Go would take the processor from this worker only after 10 ms. Goroutines of an
		// engine with a store, which became ready meanwhile, need microseconds, and run one after the other. Without a store
		// nobody waits, and to make way would wake another thread for nothing.
		if sh.room.hub.makesWay {
			runtime.Gosched()
		}
		return true
	}
	sh.latency.End(sh.room.hub.clock(now), sh.cut.Messages(), &sh.room.hub.deliveries)
	return sh.endSweep(now)
}

// beginSweep takes the pending messages as one cut. It returns false if there are none, or if the
// shard pauses: a message that came during the last sweep may have woken the turn before endSweep
// began the pause.
func (sh *shard) beginSweep(now time.Time) bool {
	sh.room.mu.Lock()
	defer sh.room.mu.Unlock()
	if sh.pausing {
		return false
	}
	sh.batchStart, sh.batchEnd, sh.elapsed = 0, 0, 0
	sh.cut = sh.g.log.Next(sh.cursor)
	if sh.cut.Len() == 0 {
		return false
	}
	sh.partialCut = sh.cut.End() < sh.g.log.End()
	part := 1.0
	if sh.partialCut {
		part = float64(sh.cut.Len()) / float64(sh.g.log.End()-sh.cursor)
	}
	sh.latency.Cut(sh.room.hub.clock(now), sh.cut.Messages(), part)
	return true
}

// nextBatch ends the current batch, and copies the members of the next one. last: there are no
// more. Members that took their slots after the sweep began get nothing of its cut, because their
// from lies behind it.
func (sh *shard) nextBatch(dst *[sweepBatch]shardSlot) (n int, last bool) {
	sh.room.mu.Lock()
	defer sh.room.mu.Unlock()
	sh.endBatchLocked()
	sh.batchStart = sh.batchEnd
	n = copy(dst[:], sh.slots[sh.batchEnd:])
	sh.batchEnd += n
	return n, sh.batchEnd == len(sh.slots)
}

// endBatchLocked ends the current batch. Now connections that left the room during the batch can
// join it again, or be told of a gap.
func (sh *shard) endBatchLocked() {
	sh.batchStart = sh.batchEnd
	if len(sh.leftInBatch) == 0 {
		return
	}
	for _, id := range sh.leftInBatch {
		delete(sh.room.leftInBatch, id)
	}
	sh.leftInBatch = nil
	sh.room.notifyLostLocked()
	sh.room.resolveJoinsLocked()
	if r := sh.room; r.members == 0 {
		r.hub.Post(func() { r.hub.endIfEmpty(r) })
	}
}

// endSweep moves the cursor to the end of the cut, and begins the pause. There is no pause if
// more was pending than the cut had, if a whole cut is pending now, or if a goroutine waits in
// Settle: then a pause would save nothing, or delay the shutdown.
func (sh *shard) endSweep(now time.Time) (more bool) {
	r := sh.room
	r.mu.Lock()
	defer r.mu.Unlock()
	sh.endBatchLocked()
	sh.batchStart, sh.batchEnd = 0, 0
	sh.cursor = sh.cut.End()
	messages := sh.cut.Messages()
	sh.cut = netpoll.Cut{}
	r.forgetSweptLocked(sh.g)
	sh.releaseSettledLocked()
	pending := sh.g.log.End() - sh.cursor
	now64 := r.hub.clock(now)
	r.hub.load.Add(now64, sh.elapsed, messages)
	lone, burst := messages == 1 && pending == 0, r.hub.arrivals.Burst(now64)
	d := pause.After(sh.elapsed, lone, burst, r.hub.load.Value(), r.hub.Config().MaxPause)
	if d == 0 || sh.partialCut || pending >= netpoll.MaxCut || len(sh.settleWaiters) > 0 {
		return pending > 0
	}
	sh.pausing = true
	if sh.timer == nil {
		sh.timer = time.AfterFunc(d, sh.endPause)
	} else {
		sh.timer.Reset(d)
	}
	return false
}

// endPause ends the pause, and wakes the turn if messages are pending.
func (sh *shard) endPause() {
	sh.room.mu.Lock()
	defer sh.room.mu.Unlock()
	sh.pausing = false
	if sh.g.log.End() > sh.cursor {
		sh.turn.Wake()
	}
}

// forgetSweptLocked is called at the end of each sweep. It frees the memory of the log that all
// shards have swept, and resumes senders, see resumeSendersLocked.
func (r *Room) forgetSweptLocked(g *group) {
	least := g.log.End()
	for _, sh := range g.shards {
		least = min(least, sh.cursor)
	}
	g.log.Forget(least)
	r.resumeSendersLocked()
}
