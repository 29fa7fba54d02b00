package netpoll

import (
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// wheelModel is a wheel beside a map of deadlines.
type wheelModel struct {
	s    *Server
	w    *wheel
	recs []*record
	due  map[*record]uint32
	at   uint32
	busy map[*record]uint32 // open and talking: when seen last
}

const modelPing = 700 // ticks: more than one rotation

func newWheelModel(at uint32, n int) *wheelModel {
	s := New(Config{}, nil)
	s.ticks.ping = modelPing
	s.loops = []*loop{{wheel: wheel{s: s, at: at}}}
	m := &wheelModel{s: s, w: &s.loops[0].wheel, at: at, due: map[*record]uint32{}, busy: map[*record]uint32{}}
	for range n {
		m.recs = append(m.recs, s.slab.get())
	}
	return m
}

func (m *wheelModel) arm(r *record, due uint32) {
	m.due[r] = m.at + uint32(max(1, int32(due-m.at))) // what is late comes with the next tick
}

// advance says what must fire, oldest deadline first.
func (m *wheelModel) advance(now uint32) (fired [][]*record) {
	for m.at != now {
		m.at++
		var tick []*record
		for _, r := range m.recs {
			if due, ok := m.due[r]; !ok || due != m.at {
				continue
			}
			delete(m.due, r)
			if seen, ok := m.busy[r]; ok && int32(seen+modelPing-m.at) > 0 {
				m.arm(r, seen+modelPing)
			} else {
				tick = append(tick, r)
			}
		}
		if len(tick) > 0 {
			fired = append(fired, tick)
		}
	}
	return fired
}

// fired takes what the wheel has queued.
func (m *wheelModel) fired(t *rapid.T) (rs []*record) {
	for m.s.pool.n > 0 {
		task, _ := m.s.pool.take()
		if task.r.flags.Load()&fTimer == 0 {
			t.Fatal("a turn is queued that does not know why")
		}
		task.r.flags.And(^fTimer)
		task.r.turn.Store(turnIdle)
		rs = append(rs, task.r)
	}
	return rs
}

// check walks the lists.
func (m *wheelModel) check(t *rapid.T) {
	linked := map[*record]uint32{}
	for slot, head := range m.w.head {
		for i, prev := head, int32(0); i != 0; {
			r := m.s.slab.at(uint32(i - 1))
			if _, twice := linked[r]; twice || int(r.slot.slot) != slot+1 || r.slot.prev != prev || int(r.slot.due%wheelSlots) != slot {
				t.Fatalf("record %d, %+v, is wrongly linked in slot %d", r.index, r.slot, slot)
			}
			linked[r] = r.slot.due
			prev, i = i, r.slot.next
		}
	}
	if !maps.Equal(linked, m.due) {
		t.Fatalf("at %d: on the wheel %v, want %v", m.at, linked, m.due)
	}
	for _, r := range m.recs {
		if _, ok := linked[r]; !ok && r.slot.slot != 0 {
			t.Fatalf("record %d believes to be linked: %+v", r.index, r.slot)
		}
	}
}

func TestWheel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.SampledFrom([]uint32{0, 1, wheelSlots - 1, 1 << 31, math.MaxUint32 - 300}).Draw(t, "start")
		m := newWheelModel(start, rapid.IntRange(1, 12).Draw(t, "records"))
		record := func(t *rapid.T) *record { return rapid.SampledFrom(m.recs).Draw(t, "record") }
		// Near ones, whole rotations (the same slot again), beyond, and late ones.
		when := func(t *rapid.T) uint32 {
			rotations := rapid.IntRange(0, 3).Draw(t, "rotations")
			return m.at + uint32(rotations*wheelSlots+rapid.IntRange(-5, 20).Draw(t, "ticks"))
		}
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"arm": func(t *rapid.T) {
				r, due := record(t), when(t)
				m.w.arm(r, due)
				m.arm(r, due)
			},
			"armBy": func(t *rapid.T) {
				r, due := record(t), when(t)
				m.w.armBy(r, due)
				if old, ok := m.due[r]; !ok || int32(due-old) < 0 {
					m.arm(r, due)
				}
			},
			"remove": func(t *rapid.T) {
				r := record(t)
				m.w.remove(r)
				delete(m.due, r)
			},
			"talk": func(t *rapid.T) {
				r := record(t)
				r.flags.Store(fOpen)
				r.seen.Store(m.at)
				m.busy[r] = m.at
			},
			"fall silent": func(t *rapid.T) { // as for who has a ping out, say
				r := record(t)
				r.flags.Store(fOpen | fPinged)
				delete(m.busy, r)
			},
			"advance": func(t *rapid.T) {
				steps := rapid.SampledFrom([]int{0, 1, 2, 30, wheelSlots, wheelSlots + 1, 3 * wheelSlots}).Draw(t, "steps")
				now := m.at + uint32(steps)
				want := m.advance(now)
				m.w.advance(now)
				got := m.fired(t)
				for _, tick := range want {
					n := min(len(tick), len(got))
					if !sameRecords(got[:n], tick) {
						t.Fatalf("fired %v, want %v", indexes(got), indexes(tick))
					}
					got = got[n:]
				}
				if len(got) > 0 {
					t.Fatalf("fired besides: %v", indexes(got))
				}
			},
		})
	})
}

func indexes(rs []*record) (is []uint32) {
	for _, r := range rs {
		is = append(is, r.index)
	}
	slices.Sort(is)
	return is
}

func sameRecords(a, b []*record) bool { return slices.Equal(indexes(a), indexes(b)) }

// A heartbeat that is put back needs no turn, however often.
func TestWheelIsLazy(t *testing.T) {
	m := newWheelModel(0, 1)
	r := m.recs[0]
	r.flags.Store(fOpen)
	m.w.arm(r, 10)
	for now := uint32(1); now < 20*modelPing; now++ {
		r.seen.Store(now - 1)
		m.w.advance(now)
	}
	if n := m.s.pool.n; n != 0 {
		t.Errorf("%d turns were queued for a connection that talks", n)
	}
	if r.slot.slot == 0 {
		t.Error("the connection is off the wheel")
	}
	quiet := r.seen.Load()
	for now := 20 * uint32(modelPing); m.s.pool.n == 0; now++ {
		if now > quiet+modelPing {
			t.Fatalf("silent since %d, and no turn at %d", quiet, now)
		}
		m.w.advance(now)
	}
	if m.w.at != quiet+modelPing {
		t.Errorf("silent since %d, its turn comes at %d, want %d", quiet, m.w.at, quiet+modelPing)
	}
}

// A heartbeat whose ping was answered needs no turn before the next.
func TestAnsweredBeatNeedsNoTurn(t *testing.T) {
	m := newWheelModel(0, 1)
	r := m.recs[0]
	m.s.beats = []beat{{interval: 250, timeout: 80}}
	sent := uint32(100)
	for _, c := range []struct {
		name  string
		flags uint32
		seen  uint32
		due   uint32
		ok    bool
	}{
		{"answered", fPinged, sent, 350 - 350%beatGrain, true},
		{"not answered", fPinged, sent - 1, 0, false},
		{"not pinged", 0, 0, 350 - 350%beatGrain, true},
		{"blocked", fBlocked, sent, 0, false},
		{"paused", fPaused, sent, 0, false},
		{"with half a message", fUnfinished, sent, 0, false},
		{"closing", fClosing, sent, 0, false},
	} {
		r.flags.Store(fOpen | fBeat0 | c.flags)
		r.seen.Store(c.seen)
		r.deadline.Store(sent)
		due, ok := m.s.early(r, sent+80)
		if ok != c.ok || ok && due != c.due {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, due, ok, c.due, c.ok)
		}
		if _, ok := m.s.early(r, sent+250); ok {
			t.Errorf("%s: the next ping is not due after its interval", c.name)
		}
	}
}

// Who answers late, but in time, is pinged again at the interval: however long the
// patience, the wheel looks again after one.
func TestLateAnswerKeepsTheInterval(t *testing.T) {
	m := newWheelModel(0, 1)
	r := m.recs[0]
	m.s.ticks.ping, m.s.ticks.pong = 10, 36000
	r.flags.Store(fOpen | fPinged)
	r.deadline.Store(100)
	r.seen.Store(99)
	if got := m.s.heartbeat(r, 110, r.flags.Load()); got != 120 {
		t.Errorf("without an answer it is looked at again at %d, want 120", got)
	}
	if got := m.s.heartbeat(r, 36095, r.flags.Load()); got != 36100 {
		t.Errorf("shortly before the end it is looked at again at %d, want 36100", got)
	}
}
