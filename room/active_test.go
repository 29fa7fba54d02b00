package room_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
	"webim/room/internal/notices"
)

// heapBytes returns the number of bytes of the heap that are in use.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// roomsOfOne makes rooms with one member each, and returns the bytes that each takes.
func roomsOfOne(t testing.TB, h *room.Hub, rooms int) (each int64, all []room.Member) {
	names := make([]string, rooms)
	for i := range names {
		names[i] = fmt.Sprintf("a room with a name %d", i)
	}
	all = make([]room.Member, rooms)
	before := heapBytes()
	for i, name := range names {
		r, err := h.RoomFor(strings.Clone(name), func() budget.Owner { return enginetest.NoPayer })
		if err != nil {
			t.Fatal(err)
		}
		r.Mu().Lock()
		if err := r.ReserveLocked(); err != nil {
			t.Fatal(err)
		}
		all[i] = room.Member{Room: r, Kind: room.KindOf(room.JsonDialect, netpoll.Plain, false), Slot: r.TakeSlotLocked(netpoll.Conn{}, room.KindOf(room.JsonDialect, netpoll.Plain, false))}
		r.Mu().Unlock()
	}
	each = (heapBytes() - before) / int64(rooms)
	runtime.KeepAlive(names)
	return each, all
}

// TestRoomMemory bounds the bytes of an idle room, and those of a room that has ended and has a
// history. They include everything that the hub and the engine hold, except the message.
func TestRoomMemory(t *testing.T) {
	const rooms, most, mostClosed = 10_000, 400, 320
	h := newHub(open(room.Config{Engine: memory.New(memory.Limits{MaxTotal: 1 << 30})}))
	each, all := roomsOfOne(t, h, rooms)
	t.Logf("a room with one member takes %d bytes", each)
	if each > most {
		t.Errorf("a room with one member takes %d bytes, more than %d", each, most)
	}
	data, before := make([]byte, 128), heapBytes()
	for _, m := range all {
		name := m.Room.Name()
		h.Engine().History(name, engine.Span{}, func(engine.History, error) {}) // from now on somebody may come back
		h.Leave(m)
		h.Engine().Publish(name, engine.Message{Op: ws.OpText, Data: data}, nil)
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
	h := newHub(open(room.Config{}))
	each, all := roomsOfOne(b, h, 10_000)
	b.ReportMetric(float64(each), "B/room")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(all)
}

// TestRoomsGoIdle checks that each member gets each message that is published while it is a
// member, once, whichever members join and leave, and whenever the room becomes idle meanwhile.
func TestRoomsGoIdle(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	var members []*client
	for step := range 300 {
		switch k := rand.IntN(8); {
		case len(members) == 0 || k == 0 && len(members) < room.MaxIdle+3:
			members = append(members, n.join("/r", variants(rand.IntN(9))))
			wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == len(members) })
		case k == 1 && len(members) > 1:
			i := rand.IntN(len(members))
			members[i].leave(t)
			members = append(members[:i:i], members[i+1:]...)
			wstest.Eventually(t, "it has left", func() bool { return n.hub.Stats().Members == len(members) })
		case k < 5:
			for range rand.IntN(4) {
				n.hub.DeactivateIdle()
			}
		default:
			text := fmt.Sprint("message ", step)
			if err := n.say("r", text); err != nil {
				t.Fatal(err)
			}
			if rand.IntN(2) == 0 {
				n.hub.DeactivateIdle()
				n.hub.DeactivateIdle() // it may be under way
			}
			for _, c := range members {
				c.expect(t, ws.OpText, text)
			}
		}
	}
	r := n.hub.Existing("r")
	for len(members) > room.MaxIdle {
		members[0].leave(t)
		members = members[1:]
	}
	wstest.Eventually(t, "the room is idle", func() bool {
		n.hub.DeactivateIdle()
		r.Mu().Lock()
		defer r.Mu().Unlock()
		return r.Active() == nil
	})
	if st := n.hub.Stats(); st.Members != len(members) || st.Unswept != 0 || len(n.hub.ActiveRooms().List()) != 0 {
		t.Errorf("%+v, %d rooms are active", st, len(n.hub.ActiveRooms().List()))
	}
	audit(t, r)
}

// TestActiveRoomsStayActive checks that a room does not become idle while something is under way
// in it.
func TestActiveRoomsStayActive(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{})
	n.join("/r", noDeflate)
	wstest.Eventually(t, "it has joined", func() bool { return n.hub.Stats().Members == 1 })
	for name, hold := range map[string]func(r *room.Room) (release func()){
		"a message waits to be swept": func(r *room.Room) func() {
			release := holdSweeps(t, r)
			n.say("r", "x")
			return release
		},
		"flow control has let a message in": func(r *room.Room) func() { r.TryAcquire(10); return func() { r.Release(10) } },
		"users that type wait to be named": func(r *room.Room) func() {
			r.Typists().SetWaiting(make([]engine.Author, 1))
			return func() { r.Typists().SetWaiting(nil) }
		},
		"a notice waits": func(r *room.Room) func() {
			r.SetNotices(&room.NoticeQueue{})
			r.Notices().Cost.Charge(notices.Rate, 100*notices.Rate.N, n.hub.Now())
			r.Notices().Add(engine.Notice{}, 1, n.hub.Now(), nil)
			r.Notices().Cost = budget.Bucket{}
			return func() { r.SetNotices(nil) }
		},
		"somebody left during a sweep": func(r *room.Room) func() {
			r.SetLeftInBatch(map[netpoll.ID]*room.Shard{1: nil})
			return func() { r.SetLeftInBatch(nil) }
		},
	} {
		r := n.room("r")
		release := hold(r)
		for range 5 {
			n.hub.DeactivateIdle()
		}
		if r.Active() == nil {
			t.Fatalf("%s: the room is idle", name)
		}
		release()
		wstest.Eventually(t, "the room is idle", func() bool {
			n.hub.DeactivateIdle()
			r.Mu().Lock()
			defer r.Mu().Unlock()
			return r.Active() == nil
		})
	}
}
