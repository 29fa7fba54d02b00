package room_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"weak"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/engine/memory"
	"webim/room/policy"
)

// TestSweptRoomHoldsNothing checks that the log of a room holds nothing in any variant after its messages
// were swept, and that the engine holds no more than the history of the room.
func TestSweptRoomHoldsNothing(t *testing.T) {
	silent := policy.Patterns{{Match: "*", Options: policy.Options{Rights: policy.OpenRights()}}} // and no history
	n := start(t, room.Config{Engine: memory.New(memory.Limits{MaxMessages: -1}), Options: silent.Options, Anonymous: true}, roomy(netpoll.Config{}))
	members := n.joinAll(9, "/r", variants)
	runs := make([]run, len(members))
	for i := range runs {
		runs[i].sizes = mixed
	}
	for k := range 30 {
		n.lockstep("r", k+1, members, runs)
	}
	r := n.room("r")
	holdSweeps(t, r)()
	r.Mu().Lock()
	defer r.Mu().Unlock()
	for v, g := range r.Groups()[:netpoll.NumVariants] {
		if g == nil || g.Log().End() == 0 {
			t.Fatalf("variant %d was not used", v)
		}
		for at := range g.Log().End() {
			if cut := g.Log().Next(at); cut.Len() > 0 {
				t.Errorf("variant %d: the log of %d bytes holds %d from %d on", v, g.Log().End(), cut.Len(), at)
				break
			}
		}
	}
	if st := n.hub.Engine().(*memory.Engine).Stats(); st.Topics != 1 || st.Bytes > 1000 {
		t.Errorf("without a history the engine holds %+v", st)
	}
}

// TestRoomEndsDuringItsPause checks that a room leaves neither a timer nor memory behind if it ends during
// the pause before a sweep.
func TestRoomEndsDuringItsPause(t *testing.T) {
	n := start(t, room.Config{}, netpoll.Config{Workers: 2})
	var rooms []weak.Pointer[room.Room]
	for i := range 10 {
		name := fmt.Sprint(i)
		members := []*client{n.join("/"+name, noDeflate), n.join("/"+name, deflate)}
		r := n.room(name)
		holdSweeps(t, r)
		r.Mu().Lock()
		for _, g := range r.Groups() {
			if g != nil {
				g.Shards()[0].SetTimer(time.AfterFunc(time.Hour, g.Shards()[0].EndPause))
			}
		}
		r.Mu().Unlock()
		if err := n.say(name, "nobody gets this"); err != nil {
			t.Fatal(err)
		}
		for _, c := range members {
			c.leave(t)
		}
		rooms = append(rooms, weak.Make(r))
	}
	wstest.Eventually(t, "the rooms are gone", func() bool { return n.holds() == room.Stats{} })
	wstest.Eventually(t, "their memory is free", func() bool {
		runtime.GC()
		for _, r := range rooms {
			if r.Value() != nil {
				return false
			}
		}
		return true
	})
}
