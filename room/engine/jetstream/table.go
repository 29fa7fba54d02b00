package jetstream

import (
	"maps"
	"slices"
	"sync"

	"webim/room/engine/jetstream/internal/codec"
)

// table has the topics of a node: the rooms that have members here. Of other rooms, in which the node has
// published, it remembers the tip: so a reader on this node gets what was acknowledged here, also if a server answers that is
// behind.
type table struct {
	mu    sync.RWMutex
	rooms map[string]*topic // by room
	lives map[string]*topic // by the subject on which the server sends
	// own and older have the last publication that this node has made, or that the leader has named, in a room while that had no topic.
	// When own is full, it becomes older.
	own, older map[string]ownTip
}

// ownTip is the tip that this node knows of a room without a topic, in its epoch.
type ownTip struct {
	codec.Tip
	epoch string
}

// maxOwn is the number of rooms without a topic of which a node remembers the tip at least; it is never more than twice that.
const maxOwn = 10_000

func newTable() *table {
	return &table{rooms: map[string]*topic{}, lives: map[string]*topic{}, own: map[string]ownTip{}}
}

// of returns the topic of a room, or nil.
func (s *table) of(room string) *topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rooms[room]
}

// live returns the topic to which the server sends on a subject, or nil.
func (s *table) live(subject string) *topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.lives[subject]
}

// all returns all topics.
func (s *table) all() []*topic {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.rooms))
}

// count returns the number of topics.
func (s *table) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.rooms)
}

// add adds a topic that begin returns, unless join reports that the topic of the room has taken the subscriber. Both
// are called with the lock held.
func (s *table) add(room string, join func(*topic) bool, begin func() *topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.rooms[room]; t != nil && join(t) {
		return
	}
	t := begin()
	s.rooms[room], s.lives[t.live] = t, t
}

// remove removes the topic of a room if leave, which is called with the lock held, reports that it has ended.
func (s *table) remove(room string, leave func(*topic) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.rooms[room]
	if t != nil && leave(t) {
		delete(s.rooms, room)
		delete(s.lives, t.live)
	}
}

// made remembers the last publication that this node has made in a room, or that the leader of the stream has named: in the topic, if
// there is one, or for the next publication and the next reader.
func (s *table) made(room, epoch string, at codec.Tip) {
	if t := s.of(room); t != nil {
		t.hasMade(at.Offset)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.rooms[room]; t != nil {
		t.hasMade(at.Offset)
		return
	}
	if was := s.ownLocked(room); was.epoch == epoch && was.Offset > at.Offset {
		return
	}
	if len(s.own) >= maxOwn {
		s.own, s.older = map[string]ownTip{}, s.own
	}
	s.own[room] = ownTip{at, epoch}
}

func (s *table) ownLocked(room string) ownTip {
	if at, ok := s.own[room]; ok {
		return at
	}
	return s.older[room]
}

// last returns the last publication that this node has made in a room while that had no topic.
func (s *table) last(room string) ownTip {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ownLocked(room)
}

// hint returns Back and Depth for the next publication of a room.
func (s *table) hint(room string) (back uint64, depth uint8) {
	s.mu.RLock()
	t, at := s.rooms[room], s.ownLocked(room).Tip
	s.mu.RUnlock()
	if t != nil {
		at = t.lastTip()
	}
	if at.Offset == 0 {
		return 0, 0
	}
	return at.Next()
}

func (e *Engine) topic(room string) *topic { return e.topics.of(room) }

// noOlder returns the end of a room's log, which may be older than the last publication that this node has delivered or made.
func (e *Engine) noOlder(room, epoch string, end codec.Tip) codec.Tip {
	if own := e.topics.last(room); own.epoch == epoch && own.Offset > end.Offset {
		end = own.Tip
	}
	t := e.topic(room)
	if t == nil {
		return end
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began && t.epoch == epoch && t.tip.Offset > end.Offset {
		return t.tip
	}
	return end
}
