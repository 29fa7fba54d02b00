package room

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
)

// heapBytes is how many bytes of the heap are in use.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// roomsOfOne are rooms with one member each, and what they take.
func roomsOfOne(t testing.TB, h *Hub, rooms int) (each int64, all []Member) {
	names := make([]string, rooms)
	for i := range names {
		names[i] = fmt.Sprintf("a room with a name %d", i)
	}
	all = make([]Member, rooms)
	before := heapBytes()
	for i, name := range names {
		r, err := h.room(strings.Clone(name), func() budget.Owner { return enginetest.NoPayer })
		if err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		if err := r.enterLocked(); err != nil {
			t.Fatal(err)
		}
		all[i] = Member{Room: r, Kind: kindOf(jsonDialect, netpoll.Plain, false), Slot: r.sitLocked(netpoll.Conn{}, kindOf(jsonDialect, netpoll.Plain, false))}
		r.mu.Unlock()
	}
	each = (heapBytes() - before) / int64(rooms)
	runtime.KeepAlive(names)
	return each, all
}

// TestRoomMemory bounds what a room takes in which nothing happens, and what is left of it
// when it is closed and its history waits for its time: everything is in it that the hub and
// the engine hold, besides the message.
func TestRoomMemory(t *testing.T) {
	const rooms, most, mostClosed = 10_000, 400, 320
	h := newHub((Config{Engine: memory.New(memory.Limits{MaxTotal: 1 << 30})}).open())
	each, all := roomsOfOne(t, h, rooms)
	t.Logf("a room with one member takes %d bytes", each)
	if each > most {
		t.Errorf("a room with one member takes %d bytes, more than %d", each, most)
	}
	data, before := make([]byte, 128), heapBytes()
	for _, m := range all {
		name := m.Room.name
		h.engine.History(name, engine.Span{}, func(engine.History, error) {}) // from now on somebody may come back
		h.Leave(m)
		h.engine.Publish(name, engine.Message{Op: ws.OpText, Data: data}, nil)
	}
	clear(all)
	const entrySize = 48 // in the journal of the memory engine
	closed := each + (heapBytes()-before)/rooms - int64(len(data)) - entrySize
	t.Logf("a closed room takes %d bytes", closed)
	if closed > mostClosed {
		t.Errorf("a closed room takes %d bytes besides its message, more than %d", closed, mostClosed)
	}
	runtime.KeepAlive(h)
}

func BenchmarkRoomMemory(b *testing.B) {
	h := newHub((Config{}).open())
	each, all := roomsOfOne(b, h, 10_000)
	b.ReportMetric(float64(each), "B/room")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(all)
}

// TestRoomsGoIdle: whoever comes and goes, and whenever a room becomes idle meanwhile,
// each member gets each message that is published while it is there, once.
func TestRoomsGoIdle(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{})
	var members []*client
	for step := range 300 {
		switch k := rand.IntN(8); {
		case len(members) == 0 || k == 0 && len(members) < maxIdle+3:
			members = append(members, n.join("/r", variants(rand.IntN(9))))
			eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == len(members) })
		case k == 1 && len(members) > 1:
			i := rand.IntN(len(members))
			members[i].leave(t)
			members = append(members[:i:i], members[i+1:]...)
			eventually(t, "it has left", func() bool { return n.hub.Stats().Members == len(members) })
		case k < 5:
			for range rand.IntN(4) {
				n.hub.calm()
			}
		default:
			text := fmt.Sprint("message ", step)
			if err := n.say("r", text); err != nil {
				t.Fatal(err)
			}
			if rand.IntN(2) == 0 {
				n.hub.calm()
				n.hub.calm() // it may be under way
			}
			for _, c := range members {
				c.expect(t, ws.OpText, text)
			}
		}
	}
	r := n.hub.existing("r")
	for len(members) > maxIdle {
		members[0].leave(t)
		members = members[1:]
	}
	eventually(t, "the room is idle", func() bool {
		n.hub.calm()
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.active == nil
	})
	if st := n.hub.Stats(); st.Members != len(members) || st.Unswept != 0 || len(n.hub.actives.list()) != 0 {
		t.Errorf("%+v, %d rooms are active", st, len(n.hub.actives.list()))
	}
	r.audit(t)
}

// TestActiveRoomsStayActive: what is still needed is not taken from a room.
func TestActiveRoomsStayActive(t *testing.T) {
	n := start(t, Config{}, netpoll.Config{})
	n.join("/r", noDeflate)
	eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == 1 })
	for name, hold := range map[string]func(r *Room) (release func()){
		"a message waits to be swept": func(r *Room) func() {
			release := holdSweeps(t, r)
			n.say("r", "x")
			return release
		},
		"flow control has let a message in": func(r *Room) func() { r.tryAcquire(10); return func() { r.release(10) } },
		"who types is told soon": func(r *Room) func() {
			r.typists.waiting = make([]engine.Author, 1)
			return func() { r.typists.waiting = nil }
		},
		"a notice waits": func(r *Room) func() {
			r.notices = &noticeQueue{}
			r.notices.waiting.PushBack(engine.Notice{})
			return func() { r.notices = nil }
		},
		"somebody left during a sweep": func(r *Room) func() {
			r.leaving = map[netpoll.ID]*shard{1: nil}
			return func() { r.leaving = nil }
		},
	} {
		r := n.room("r")
		release := hold(r)
		for range 5 {
			n.hub.calm()
		}
		if r.active == nil {
			t.Fatalf("%s: the room is idle", name)
		}
		release()
		eventually(t, "the room is idle", func() bool {
			n.hub.calm()
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.active == nil
		})
	}
}
