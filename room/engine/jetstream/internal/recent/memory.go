package recent

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"webim/room/engine"
	"webim/room/engine/window"
)

// Memory counts the bytes of the recent publications of all rooms, and limits them. All methods are safe for
// concurrent use.
type Memory struct {
	now     func() time.Time
	started time.Time
	most    atomic.Int64
	full    func()

	used     atomic.Int64
	evicting atomic.Bool
}

// NewMemory makes a memory for this many bytes. Above them it calls full, which has to start a job that calls Evict.
func NewMemory(most int64, now func() time.Time, full func()) *Memory {
	m := &Memory{now: now, started: now(), full: full}
	m.most.Store(most)
	return m
}

// SetLimit changes the number of bytes.
func (m *Memory) SetLimit(most int64) {
	m.most.Store(most)
	m.add(0)
}

// Used returns how many bytes the publications of all rooms have.
func (m *Memory) Used() int64 { return m.used.Load() }

// add counts bytes.
func (m *Memory) add(n int64) {
	if m.used.Add(n) > m.most.Load() && n >= 0 && m.evicting.CompareAndSwap(false, true) {
		m.full()
	}
}

// Evict calls forget, which forgets the publications of a room, for some of n rooms, in no order, until an eighth of
// the memory is free.
func (m *Memory) Evict(n int, forget func(i int)) {
	defer m.evicting.Store(false)
	for _, i := range rand.Perm(n) {
		if m.used.Load() <= m.most.Load()*7/8 {
			return
		}
		forget(i)
	}
}

// clock returns the time of the publications' windows, in nanoseconds.
func (m *Memory) clock() int64 { return int64(m.now().Sub(m.started)) }

// cameAt returns when a publication came, on the clock. It is taken from the time in it, because it
// may have been on its way for long.
func (m *Memory) cameAt(t time.Time) int64 { return m.clock() - int64(max(0, m.now().Sub(t))) }

// appendTo appends publications to a window.
func (m *Memory) appendTo(w *window.Window, all []engine.Publication) {
	for i := range all {
		w.Append(&all[i], m.cameAt(all[i].Time))
	}
}
