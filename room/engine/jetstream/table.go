package jetstream

import (
	"maps"
	"slices"
	"sync"

	"webim/room/engine/jetstream/internal/codec"
)

// table has the topics of a node: the rooms that have members here. Of other rooms, in which the node has
// published, it remembers the tip.
type table struct {
	mu    sync.RWMutex
	rooms map[string]*topic    // by room
	lives map[string]*topic    // by the subject on which the server sends
	hints map[string]codec.Tip // of rooms without a topic
}

// maxHints is the number of rooms without a topic of which a node remembers the tip.
const maxHints = 10_000

func newTable() *table {
	return &table{rooms: map[string]*topic{}, lives: map[string]*topic{}, hints: map[string]codec.Tip{}}
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
	delete(s.hints, room)
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

// made remembers the last publication that this node has made in a room: in the topic, if there is one, or for the
// next publication.
func (s *table) made(room string, at codec.Tip) {
	if t := s.of(room); t != nil {
		t.hasMade(at.Offset)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[room] != nil || s.hints[room].Offset > at.Offset {
		return // a topic that is new reads the end of the log
	}
	if len(s.hints) >= maxHints {
		clear(s.hints) // a room without a hint is only read more slowly
	}
	s.hints[room] = at
}

// hint returns Back and Depth for the next publication of a room.
func (s *table) hint(room string) (back uint64, depth uint8) {
	s.mu.RLock()
	t, at := s.rooms[room], s.hints[room]
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
