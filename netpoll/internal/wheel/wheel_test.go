package wheel

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// record is a connection of the fake owner.
type record struct {
	index uint32
	link  Link
	busy  bool   // open, and its client sends: only a heartbeat can be due
	seen  uint32 // tick of the last byte
}

// wheelModel is a wheel beside a map of deadlines, and the wheel's owner.
type wheelModel struct {
	clock Clock
	w     *Wheel
	recs  []*record
	due   map[*record]uint32
	at    uint32
	asked []*record // for turns
}

func (m *wheelModel) Link(i uint32) *Link { return &m.recs[i].link }
func (m *wheelModel) Turn(i uint32)       { m.asked = append(m.asked, m.recs[i]) }
func (m *wheelModel) Ping(uint32)         {}

func (m *wheelModel) Settle(i, now uint32) (due uint32, settled bool) {
	r := m.recs[i]
	if due = r.seen + modelPing; int32(due-now) < 0 {
		due = now
	}
	return due, r.busy
}

const modelPing = 700 // ticks: more than one rotation

func newWheelModel(at uint32, n int) *wheelModel {
	m := &wheelModel{at: at, due: map[*record]uint32{}}
	m.clock.Tick = 100 * time.Millisecond
	m.clock.Start = time.Now().Add(-time.Duration(at) * m.clock.Tick)
	m.clock.Last.Store(at)
	m.w = &Wheel{clock: &m.clock, owner: m, at: at}
	m.w.Start()
	for i := range n {
		m.recs = append(m.recs, &record{index: uint32(i)})
	}
	return m
}

func (m *wheelModel) arm(r *record, due uint32) {
	m.due[r] = m.at + uint32(max(1, int32(due-m.at))) // a late deadline expires with the next tick
}

// advance returns the records that must get a turn and those that must get a ping, the oldest
// deadline first.
func (m *wheelModel) advance(now uint32) (turns, pings [][]*record) {
	for m.at != now {
		m.at++
		var tick, ping []*record
		for _, r := range m.recs {
			if due, ok := m.due[r]; !ok || due != m.at {
				continue
			}
			delete(m.due, r)
			switch {
			case !r.busy:
				tick = append(tick, r)
			case int32(r.seen+modelPing-m.at) > 0:
				m.arm(r, r.seen+modelPing)
			default:
				ping = append(ping, r)
			}
		}
		turns, pings = append(turns, tick), append(pings, ping)
	}
	return turns, pings
}

// turns takes the turns that the wheel has asked for.
func (m *wheelModel) turns() (rs []*record) {
	rs, m.asked = m.asked, nil
	return rs
}

// pings are the records for which the wheel sends heartbeats.
func (m *wheelModel) pings() (rs []*record) {
	for _, i := range m.w.pings {
		rs = append(rs, m.recs[i])
	}
	return rs
}

// check walks the lists.
func (m *wheelModel) check(t *rapid.T) {
	linked := map[*record]uint32{}
	for slot, head := range m.w.head {
		for i, prev := head, int32(0); i != 0; {
			r := m.recs[i-1]
			if _, twice := linked[r]; twice || int(r.link.slot) != slot+1 || r.link.prev != prev || int(r.link.due%wheelSlots) != slot {
				t.Fatalf("record %d, %+v, is wrongly linked in slot %d", r.index, r.link, slot)
			}
			linked[r] = r.link.due
			prev, i = i, r.link.next
		}
	}
	if !maps.Equal(linked, m.due) || m.w.n != len(linked) {
		t.Fatalf("at %d: %d on the wheel, %v; want %v", m.at, m.w.n, linked, m.due)
	}
	for r, due := range linked {
		if int32(due-m.w.next) < 0 {
			t.Fatalf("at %d: the timer is set to %d, record %d is due at %d", m.at, m.w.next, r.index, due)
		}
	}
	if len(linked) > 0 && m.w.next-m.at > idleTicks {
		t.Fatalf("at %d: the timer is set to %d", m.at, m.w.next)
	}
	for _, r := range m.recs {
		if _, ok := linked[r]; !ok && r.link.slot != 0 {
			t.Fatalf("record %d believes to be linked: %+v", r.index, r.link)
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
				m.w.Arm(r.index, due)
				m.arm(r, due)
			},
			"armBy": func(t *rapid.T) {
				r, due := record(t), when(t)
				m.w.ArmBy(r.index, due)
				if old, ok := m.due[r]; !ok || int32(due-old) < 0 {
					m.arm(r, due)
				}
			},
			"remove": func(t *rapid.T) {
				r := record(t)
				m.w.Remove(r.index)
				delete(m.due, r)
			},
			"send": func(t *rapid.T) {
				r := record(t)
				r.busy, r.seen = true, m.at
			},
			"need a turn": func(t *rapid.T) { record(t).busy = false },
			"advance": func(t *rapid.T) {
				steps := rapid.SampledFrom([]int{0, 1, 2, 30, wheelSlots, wheelSlots + 1, 3 * wheelSlots}).Draw(t, "steps")
				now := m.at + uint32(steps)
				turns, pings := m.advance(now)
				m.clock.Last.Store(now)
				m.w.advance(now)
				m.w.Start()
				inOrder(t, "turns", m.turns(), turns)
				inOrder(t, "pings", m.pings(), pings)
			},
		})
	})
}

// inOrder compares the expired records with the expected ones, tick by tick.
func inOrder(t *rapid.T, kind string, got []*record, ticks [][]*record) {
	for _, tick := range ticks {
		n := min(len(tick), len(got))
		if !sameRecords(got[:n], tick) {
			t.Fatalf("%s: fired %v, want %v", kind, indexes(got), indexes(tick))
		}
		got = got[n:]
	}
	if len(got) > 0 {
		t.Fatalf("%s: fired besides: %v", kind, indexes(got))
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
	r.busy = true
	m.w.Arm(0, 10)
	for now := uint32(1); now < 20*modelPing; now++ {
		r.seen = now - 1
		m.w.advance(now)
	}
	if n := len(m.asked); n != 0 {
		t.Errorf("the wheel asked for %d turns of a connection that sends", n)
	}
	if _, ok := m.w.Due(0); !ok {
		t.Error("the connection is off the wheel")
	}
	for now := 20 * uint32(modelPing); len(m.w.pings) == 0; now++ {
		if now > r.seen+modelPing {
			t.Fatalf("silent since %d, and no ping at %d", r.seen, now)
		}
		m.w.advance(now)
	}
	if m.w.at != r.seen+modelPing {
		t.Errorf("silent since %d, its ping comes at %d, want %d", r.seen, m.w.at, r.seen+modelPing)
	}
}

// Pings are sent in batches: until the last batch the timer is not set again.
func TestWheelBatches(t *testing.T) {
	const n = 2*pingBatch + 10
	m := newWheelModel(modelPing, n+1)
	for i := range uint32(n) {
		m.recs[i].busy = true // its last byte came at 0, a ping interval ago
		m.w.Arm(i, modelPing+1)
	}
	m.clock.Start = time.Now().Add(-(modelPing + 2) * m.clock.Tick)
	next := m.w.next
	for i, sent := range []int{pingBatch, 2 * pingBatch, n} {
		m.w.OnTimer()
		if m.w.sent != sent || len(m.w.pings) != n {
			t.Fatalf("call %d: %d of %d pings are sent, want %d", i, m.w.sent, len(m.w.pings), sent)
		}
		m.w.Arm(n, m.w.at+2)
		if kept := m.w.next == next; kept != (sent < n) {
			t.Errorf("call %d: the timer is set to %d", i, m.w.next)
		}
	}
}

// A wheel can be armed after its end; nothing is due then, and the end may come twice.
func TestWheelAfterClose(t *testing.T) {
	m := newWheelModel(0, 1)
	w, err := New(&m.clock, m)
	if err != nil {
		t.Fatal(err)
	}
	w.Start()
	w.Close()
	w.Close()
	w.Arm(0, 5)
	if due, ok := w.Due(0); !ok || due != 5 {
		t.Errorf("armed for tick 5: %d, %v", due, ok)
	}
	w.Remove(0)
	if _, ok := w.Due(0); ok {
		t.Error("removed, the record is on the wheel")
	}
}
