package room

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"webim/netpoll"
	"webim/room/engine"
	"webim/room/identity"
)

// Settle implements netpoll.Settler, for a shutdown. It waits until the calls of the connections
// are answered, and until the pending messages of their rooms have been offered to them. So a
// shutdown loses no acknowledged message before it closes the connections. Settle returns earlier
// when ctx ends.
func (h *Hub) Settle(ctx context.Context, conns []netpoll.Conn) {
	if waitAll(ctx, calls(conns)) {
		waitAll(ctx, h.sweeps(conns))
	}
}

// waitAll waits until all channels are closed; false if ctx ends earlier.
func waitAll(ctx context.Context, waits []<-chan struct{}) bool {
	for _, done := range waits {
		select {
		case <-done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// calls returns a channel for each call of the connections that is under way. It is closed when
// the call ends.
func calls(conns []netpoll.Conn) (waits []<-chan struct{}) {
	for _, c := range conns {
		if call := identity.CallOf(c); call != nil {
			waits = append(waits, call)
		}
	}
	return waits
}

// sweeps begins to sweep the pending messages of the connections, and returns a channel for each
// shard that has some. It is closed when the shard has swept them.
func (h *Hub) sweeps(conns []netpoll.Conn) (waits []<-chan struct{}) {
	seen := map[*shard]bool{}
	for _, c := range conns {
		for _, m := range h.memberships(c) {
			m.Room.mu.Lock()
			if sh := m.Room.shardLocked(m); sh != nil && !seen[sh] {
				seen[sh] = true
				if done := sh.settleLocked(); done != nil {
					waits = append(waits, done)
				}
			}
			m.Room.mu.Unlock()
		}
	}
	return waits
}

// memberships returns the memberships of a connection of any dialect.
func (h *Hub) memberships(c netpoll.Conn) (all []Member) {
	if m, ok := h.Member(c); ok {
		return []Member{m}
	}
	if s := sessionOf(c); s != nil {
		return s.Members()
	}
	return nil
}

// shardLocked returns the shard that serves a member; nil if the member has left, or if the room
// is not active.
func (r *Room) shardLocked(m Member) *shard {
	if r.active == nil {
		return nil
	}
	g := r.groups[m.Kind]
	if g == nil || m.Slot.shard() >= len(g.shards) {
		return nil
	}
	sh := g.shards[m.Slot.shard()]
	if i := m.Slot.index(); i >= len(sh.slots) || sh.slots[i].id != m.Conn.ID() {
		return nil
	}
	return sh
}

// settleLocked ends the pause of the shard, and returns a channel that is closed when the shard
// has swept everything that is in the log now; nil if it has done so already. Room.mu is held.
func (sh *shard) settleLocked() <-chan struct{} {
	end := sh.g.log.End()
	if sh.cursor >= end {
		return nil
	}
	done := make(chan struct{})
	sh.settleWaiters = append(sh.settleWaiters, settleWaiter{end, done})
	sh.hurryLocked()
	return done
}

const (
	// answerGrace is how long Quiesce waits for answers to commands that another node, a store or a backend gives. The
	// connections of those that have not come then stay behind in a live upgrade.
	answerGrace = 20 * time.Millisecond
	// maxPoll is the longest time between two looks of Quiesce.
	maxPoll = 2 * time.Millisecond
)

// Quiesce waits until nothing is under way: no call, no message on its way to the engine, no follow-up, no deferred
// work, and no byte that is not swept. It also freezes the engine, which must be an engine.Movable. The caller holds the
// server (netpoll.Server.Hold) and accepts no requests of the server API, so nothing new begins. Then it freezes the server.
//
// If ctx ends before, Quiesce fails; the caller then calls Thaw. Questions to the backend do not count, and other commands
// that wait for an answer count for 20 ms at most: their sessions stay behind (netpoll.Mover).
func (h *Hub) Quiesce(ctx context.Context) error {
	e, ok := h.engine.(engine.Movable)
	if !ok {
		return errors.New("room: the rooms cannot move, because their engine cannot")
	}
	if err := h.awaitQuiet(ctx, true); err != nil {
		return err
	}
	h.frozen = true
	if err := e.Freeze(ctx); err != nil {
		return err
	}
	return h.awaitQuiet(ctx, false) // what the engine has delivered meanwhile
}

// Thaw lets the engine go on, before the server does: in the old process if the upgrade has failed, and in the new one
// when it has taken over. It does nothing if the engine is not frozen. The error is that of the engine, which goes on trying.
func (h *Hub) Thaw() error {
	h.stayed = nil
	if !h.frozen {
		return nil
	}
	h.frozen = false
	return h.engine.(engine.Movable).Thaw()
}

// awaitQuiet waits until nothing is under way, with the commands of sessions or without.
func (h *Hub) awaitQuiet(ctx context.Context, sessions bool) error {
	began := time.Now()
	for poll := 50 * time.Microsecond; ; poll = min(2*poll, maxPoll) {
		begun, what := h.begun(), h.underWay()
		if what == "" && sessions {
			what = h.unanswered(time.Since(began) < answerGrace)
		}
		if what == "" && begun == h.begun() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("room: %s: %w", cmp.Or(what, "new work begins"), ctx.Err())
		case <-time.After(poll):
		}
	}
}

// begun counts the work that has begun so far. Each kind of work may begin work of another kind. So nothing is under way only
// if each kind was seen idle, and nothing has begun meanwhile.
func (h *Hub) begun() uint64 {
	_, posted := h.deferred.IsIdle()
	_, followed := h.work.IsIdle()
	return posted + followed + uint64(h.published.all.Load())
}

// underWay returns what was seen under way, or "". It makes the shards sweep everything.
func (h *Hub) underWay() string {
	for _, r := range h.activeRooms.list() {
		if r.hurry() {
			return "messages are not swept yet"
		}
	}
	if ended := h.published.ended.Load(); ended != h.published.all.Load() {
		return "messages are on their way to the store"
	}
	if idle, _ := h.deferred.IsIdle(); !idle {
		return "deferred work goes on"
	}
	if idle, _ := h.work.IsIdle(); !idle {
		return "the follow-ups of messages go on"
	}
	return ""
}

// unanswered returns which commands of sessions have no answer yet, or "": calls that do not wait for the backend and, if all is
// set, all others.
func (h *Hub) unanswered(all bool) string {
	for c := range h.server.Conns() {
		s := sessionOf(c)
		if s == nil || s.IsQuiet() {
			continue
		}
		if identity.CallOf(c) != nil && !s.AsksBackend() {
			return "calls go on"
		}
		if all {
			return "commands have no answer yet"
		}
	}
	return ""
}

// hurry wakes the shards that have something to sweep, and reports whether there are some, or a message is on its way.
func (r *Room) hurry() (busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active == nil {
		return false
	}
	for _, g := range r.groups {
		if g == nil {
			continue
		}
		for _, sh := range g.shards {
			if sh.cursor < g.log.End() {
				sh.hurryLocked()
				busy = true
			}
		}
	}
	return busy || len(r.leftInBatch) > 0
}
