package room

import (
	"time"

	"webim/netpoll"
)

const (
	// shardLen is how many members share a cursor and a turn: few enough that
	// a room of a thousand keeps two workers busy.
	shardLen = 512
	// sweepBatch members are served a turn, a millisecond's work; then other
	// rooms are let through.
	sweepBatch = 128
	// fewMembers may be served by the worker that decoded the message for them.
	fewMembers = 64
	// pauseFactor: after a sweep a shard rests so many times as long as it
	// took, so that a busy room spends its time on large writes. Tried from 4
	// to 12 at 300 and 1,000 messages a second to 1,000 members: the CPU for a
	// delivery falls by a third, and the 99th latency not at all, because
	// sweeps wait for each other less. A pause too short for a timer is none.
	pauseFactor = 12
	pauseLeast  = 500 * time.Microsecond
	// While a crowd arrives, a shard rests crowdFactor times as long as its sweep took,
	// up to crowdLongest times Config.MaxPause. With 10,000 clients that come back at 20
	// messages a second, each shard is then swept for every second or third message.
	crowdFactor  = 40
	crowdLongest = 4
)

// place is a member of a shard: its connection, and the log's end when it
// joined.
type place struct {
	id   netpoll.ID // 0: free
	from uint64
}

// shard sweeps up to shardLen members of a room. It is a turn of the workers:
// it never runs twice at once, and nothing waits for it.
type shard struct {
	room *Room
	g    *group
	turn *netpoll.Turn

	// Under Room.mu.
	places  []place
	free    []uint16
	cursor  uint64 // the log's position up to which all members were served
	resting bool   // the timer will wake the turn
	timer   *time.Timer
	since   int64        // when the oldest message came that no cut has, see written.go; 0: there is none
	inHand  int          // places[inHand:next] are being served, outside the lock
	left    []netpoll.ID // of these, connections that have left the room since

	settling []settling // goroutines that wait until it has swept, see settle.go

	// Owned by the turn; next is written under Room.mu.
	cut    netpoll.Cut // being swept; empty between sweeps
	behind bool        // the cut is not all that was pending when it was taken
	next   int         // place to be served next
	spent  time.Duration
	oldest int64 // when the oldest message of the cut came
	newest int64 // and the newest, about
	given  int64 // messages of the cut times members that were offered them
}

func newShard(r *Room, g *group) *shard {
	sh := &shard{room: r, g: g, cursor: g.log.End()}
	sh.turn = r.hub.server.NewTurn(sh.sweep)
	return sh
}

// seat takes a free place; false if there is none. Room.mu is held.
func (sh *shard) seat(id netpoll.ID) (int, bool) {
	p := place{id, sh.g.log.End()}
	if k := len(sh.free); k > 0 {
		i := int(sh.free[k-1])
		sh.free = sh.free[:k-1]
		sh.places[i] = p
		return i, true
	}
	if len(sh.places) == shardLen {
		return 0, false
	}
	sh.places = append(sh.places, p)
	return len(sh.places) - 1, true
}

// unseat frees a place; false if somebody else has it. Room.mu is held.
func (sh *shard) unseat(i int, id netpoll.ID) bool {
	if i >= len(sh.places) || sh.places[i].id != id {
		return false
	}
	sh.places[i] = place{}
	sh.free = append(sh.free, uint16(i))
	return true
}

// wakeLocked queues the turn, unless the shard rests: then its timer will. If it has few
// members, and a callback of the connection by is running, the worker that runs it sweeps
// the shard as well, right after the connection's turn. A lone message of a small room has
// nothing to wait for, and the way over the ready list to another worker costs as much as
// the write to a member or two. All that the turn publishes leaves in that one sweep.
func (sh *shard) wakeLocked(by netpoll.ID) {
	switch n := len(sh.places) - len(sh.free); {
	case sh.resting:
	case by != 0 && n <= fewMembers:
		sh.turn.WakeAfter(by, n)
	default:
		sh.turn.Wake()
	}
}

// sweep runs as the shard's turn: one batch of members gets what is pending.
func (sh *shard) sweep() (more bool) {
	began := time.Now()
	if sh.cut.Len() == 0 && !sh.begin(began) {
		return false
	}
	var batch [sweepBatch]place
	n, last := sh.batch(&batch)
	for _, p := range batch[:n] {
		if cut := sh.cut.After(p.from); p.id != 0 && cut.Len() > 0 {
			// ErrSlow closes the connection and ErrClosed says that it is closed; in
			// both cases the server calls Hub.Close.
			_ = sh.room.hub.server.Offer(p.id, cut)
			sh.given += int64(cut.Messages())
		}
	}
	now := time.Now()
	sh.spent += now.Sub(began)
	if !last {
		return true
	}
	sh.written(now)
	return sh.end(now)
}

// begin takes all that is pending; false if nothing is, or if the shard rests:
// a message that came during the last sweep may have woken the turn before its
// end began the pause.
func (sh *shard) begin(now time.Time) bool {
	sh.room.mu.Lock()
	defer sh.room.mu.Unlock()
	if sh.resting {
		return false
	}
	sh.inHand, sh.next, sh.spent = 0, 0, 0
	sh.cut = sh.g.log.Next(sh.cursor)
	if sh.cut.Len() == 0 {
		return false
	}
	sh.behind = sh.cut.End() < sh.g.log.End()
	sh.takenLocked(now)
	return true
}

// batch copies the next members; last: there are no more. Those who sat down
// since the sweep began are owed nothing of its cut, as their from says.
func (sh *shard) batch(dst *[sweepBatch]place) (n int, last bool) {
	sh.room.mu.Lock()
	defer sh.room.mu.Unlock()
	sh.servedLocked()
	sh.inHand = sh.next
	n = copy(dst[:], sh.places[sh.next:])
	sh.next += n
	return n, sh.next == len(sh.places)
}

// hasInHand reports whether a place is being served just now: what it is owed
// may still be queued after its member has left. Room.mu is held.
func (sh *shard) hasInHand(place int) bool { return place >= sh.inHand && place < sh.next }

// servedLocked ends the serving of a batch: who left meanwhile may come again.
func (sh *shard) servedLocked() {
	sh.inHand = sh.next
	if len(sh.left) == 0 {
		return
	}
	for _, id := range sh.left {
		delete(sh.room.leaving, id)
	}
	sh.left = nil
	sh.room.tellLostLocked()
	sh.room.seatLocked()
	if r := sh.room; r.members == 0 {
		r.hub.Post(func() { r.hub.vacated(r) })
	}
}

// pauseAfter is how long a shard rests after a sweep that took so long; lone: of one
// message, behind which none came; crowd: many clients connect just now; load: see
// rest.go. After a lone message there is no pause: who sends the next one when all have
// the last would wait 25 ms each time. A crowd is not made to wait for the sake of that.
func pauseAfter(spent time.Duration, lone, crowd bool, load float64, longest time.Duration) (pause time.Duration) {
	switch {
	case crowd:
		pause = min(crowdFactor*spent, crowdLongest*longest)
	case !lone:
		pause = min(pauseFactor*spent, longestAt(load, longest))
	}
	if pause < pauseLeast {
		return 0
	}
	return pause
}

// end moves the cursor on and begins the pause. There is none when the cut left
// something over, or a whole one more is pending: then nothing is gained.
func (sh *shard) end(now time.Time) (more bool) {
	r := sh.room
	r.mu.Lock()
	defer r.mu.Unlock()
	sh.servedLocked()
	sh.inHand, sh.next = 0, 0
	sh.cursor = sh.cut.End()
	messages := sh.cut.Messages()
	sh.cut = netpoll.Cut{}
	r.sweptLocked(sh.g)
	sh.settledLocked()
	pending := sh.g.log.End() - sh.cursor
	now64 := r.hub.clock(now)
	r.hub.load.swept(now64, sh.spent, messages)
	pause := pauseAfter(sh.spent, messages == 1 && pending == 0, r.hub.arrivals.areMany(now64), r.hub.load.now(), r.hub.cfg.MaxPause)
	if pause == 0 || sh.behind || pending >= netpoll.MaxCut || len(sh.settling) > 0 {
		return pending > 0
	}
	sh.resting = true
	if sh.timer == nil {
		sh.timer = time.AfterFunc(pause, sh.rested)
	} else {
		sh.timer.Reset(pause)
	}
	return false
}

// rested ends the pause.
func (sh *shard) rested() {
	sh.room.mu.Lock()
	defer sh.room.mu.Unlock()
	sh.resting = false
	if sh.g.log.End() > sh.cursor {
		sh.turn.Wake()
	}
}

// stopResting ends a pause for good; Room.mu is held.
func (sh *shard) stopResting() {
	if sh.timer != nil {
		sh.timer.Stop()
	}
}
