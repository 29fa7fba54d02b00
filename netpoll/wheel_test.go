package netpoll

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

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
	s.ticks.ping, s.ticks.grain = modelPing, 1
	s.loops = []*loop{{wheel: wheel{s: s, at: at}}}
	m := &wheelModel{s: s, w: &s.loops[0].wheel, at: at, due: map[*record]uint32{}, busy: map[*record]uint32{}}
	s.clock.start = time.Now().Add(-time.Duration(at) * s.clock.tick) // who pushes looks
	s.clock.now.Store(at)
	m.w.restLocked()
	for range n {
		m.recs = append(m.recs, s.slab.Get())
	}
	return m
}

func (m *wheelModel) arm(r *record, due uint32) {
	m.due[r] = m.at + uint32(max(1, int32(due-m.at))) // what is late comes with the next tick
}

// advance says who must get a turn and who a ping, oldest deadline first.
func (m *wheelModel) advance(now uint32) (turns, pings [][]*record) {
	for m.at != now {
		m.at++
		var tick, ping []*record
		for _, r := range m.recs {
			if due, ok := m.due[r]; !ok || due != m.at {
				continue
			}
			delete(m.due, r)
			switch seen, ok := m.busy[r]; {
			case !ok:
				tick = append(tick, r)
			case int32(seen+modelPing-m.at) > 0:
				m.arm(r, seen+modelPing)
			default:
				ping = append(ping, r)
			}
		}
		turns, pings = append(turns, tick), append(pings, ping)
	}
	return turns, pings
}

// turns takes what the wheel has queued.
func (m *wheelModel) turns(t *rapid.T) (rs []*record) {
	for m.s.pool.front.n > 0 {
		task, _, _ := m.s.pool.take(false)
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
			r := m.s.slab.At(uint32(i - 1))
			if _, twice := linked[r]; twice || int(r.slot.slot) != slot+1 || r.slot.prev != prev || int(r.slot.due%wheelSlots) != slot {
				t.Fatalf("record %d, %+v, is wrongly linked in slot %d", r.index, r.slot, slot)
			}
			linked[r] = r.slot.due
			prev, i = i, r.slot.next
		}
	}
	if !maps.Equal(linked, m.due) || m.w.n != len(linked) {
		t.Fatalf("at %d: %d on the wheel, %v; want %v", m.at, m.w.n, linked, m.due)
	}
	for r, due := range linked {
		if int32(due-m.w.next) < 0 {
			t.Fatalf("at %d: the alarm is set to %d, record %d is due at %d", m.at, m.w.next, r.index, due)
		}
	}
	if len(linked) > 0 && m.w.next-m.at > rest {
		t.Fatalf("at %d: the alarm is set to %d", m.at, m.w.next)
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
				r.deadline.Store(r.seen.Load() + 1)
				delete(m.busy, r)
			},
			"advance": func(t *rapid.T) {
				steps := rapid.SampledFrom([]int{0, 1, 2, 30, wheelSlots, wheelSlots + 1, 3 * wheelSlots}).Draw(t, "steps")
				now := m.at + uint32(steps)
				turns, pings := m.advance(now)
				m.s.clock.now.Store(now)
				m.w.advance(now)
				m.w.restLocked()
				inOrder(t, "turns", m.turns(t), turns)
				inOrder(t, "pings", m.w.pings, pings)
			},
		})
	})
}

// inOrder compares what has fired with what had to, tick by tick.
func inOrder(t *rapid.T, what string, got []*record, ticks [][]*record) {
	for _, tick := range ticks {
		n := min(len(tick), len(got))
		if !sameRecords(got[:n], tick) {
			t.Fatalf("%s: fired %v, want %v", what, indexes(got), indexes(tick))
		}
		got = got[n:]
	}
	if len(got) > 0 {
		t.Fatalf("%s: fired besides: %v", what, indexes(got))
	}
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
	if n := m.s.pool.front.n; n != 0 {
		t.Errorf("%d turns were queued for a connection that talks", n)
	}
	if r.slot.slot == 0 {
		t.Error("the connection is off the wheel")
	}
	quiet := r.seen.Load()
	for now := 20 * uint32(modelPing); len(m.w.pings) == 0; now++ {
		if now > quiet+modelPing {
			t.Fatalf("silent since %d, and no ping at %d", quiet, now)
		}
		m.w.advance(now)
	}
	if m.w.at != quiet+modelPing {
		t.Errorf("silent since %d, its ping comes at %d, want %d", quiet, m.w.at, quiet+modelPing)
	}
}

// Pings leave by the slice: until the last, the alarm is left ringing.
func TestWheelSlices(t *testing.T) {
	const n = 2*slice + 10
	m := newWheelModel(0, n+1)
	late := m.recs[n]
	for _, r := range m.recs[:n] {
		r.flags.Store(fOpen | fBeat0)
		r.deadline.Store(1)
		m.w.arm(r, 1)
	}
	m.s.beats = []beat{{interval: 1, grain: 1}}
	m.s.clock.start = time.Now().Add(-2 * m.s.clock.tick)
	next := m.w.next
	for i, sent := range []int{slice, 2 * slice, n} {
		m.w.rung()
		if m.w.sent != sent || len(m.w.pings) != n {
			t.Fatalf("turn %d: %d of %d pings have left, want %d", i, m.w.sent, len(m.w.pings), sent)
		}
		m.w.arm(late, m.w.at+2)
		if rung := m.w.next == next; rung != (sent < n) {
			t.Errorf("turn %d: the alarm is set to %d", i, m.w.next)
		}
	}
}

// Who arms the wheel of a loop that has ended does no harm.
func TestWheelAfterTheEnd(t *testing.T) {
	s := serve(t, Config{}, nil)
	c, _ := join(t, s, 0)
	s.Close()
	w := s.wheelOf(c.r)
	w.arm(c.r, s.clock.look())
	w.remove(c.r)
	if w.alarm != nil {
		t.Error("its alarm could still be set")
	}
}
