package jetstream

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/jetstream/internal/roomlog"
)

// TestRecoveryAfterRestart lets the clients of a room recover at the same time on a node that has just started.
// They have missed different numbers of publications, and some name an offset at which the room has none.
func TestRecoveryAfterRestart(t *testing.T) {
	for _, n := range []int{1, 20, roomlog.MaxRecent - 1, roomlog.MaxRecent + 40} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := startServer(t)
			e := open(t, s, Config{Keep: always})
			want := []uint64{0} // the offsets of the room, in their order
			for i := range n {
				publish(t, e, "other", text("x"))
				want = append(want, publish(t, e, "room", text(fmt.Sprint(i))).pos.Offset)
			}
			e.Close()
			again := open(t, s, Config{Keep: always})
			subscribe(t, again, "room")
			var clients sync.WaitGroup
			for i := n; i >= 0; i -= max(1, n/40) {
				for _, behind := range []uint64{want[i], want[i] + 1} { // the other room has that one
					clients.Go(func() { recovers(t, again, behind, want) })
				}
			}
			clients.Wait()
		})
	}
}

// recovers checks that a client gets everything behind an offset, and each publication names the one before.
func recovers(t *testing.T, e *Engine, behind uint64, want []uint64) {
	checkRecovered(t, history(t, e, "room", engine.Span{Behind: behind, Limit: -1, Places: true}), behind, want)
}

func checkRecovered(t *testing.T, got engine.History, behind uint64, want []uint64) {
	first, found := slices.BinarySearch(want, behind+1)
	if !found && first == 0 || got.Top.Offset != want[len(want)-1] || len(got.Publications) != len(want)-first {
		t.Errorf("behind %d: %d publications, and the top is %d; want %d and %d", behind, len(got.Publications), got.Top.Offset, len(want)-first, want[len(want)-1])
		return
	}
	for i, p := range got.Publications {
		if p.Offset != want[first+i] || p.Prev != want[first+i-1] || string(p.Data) != fmt.Sprint(first+i-1) {
			t.Errorf("behind %d: publication %d has the offset %d after %d, and the data %s", behind, i, p.Offset, p.Prev, p.Data)
		}
	}
}

// TestRecoveryOfMoreThanANodeHolds lets two clients recover that have missed more than a node holds of a room. The job that reads for
// the one that asks first does not reach back to where the other one left, and the node forgets at once what the job has read.
func TestRecoveryOfMoreThanANodeHolds(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	subscribe(t, e, "room")
	want := []uint64{0} // the offsets of the room, in their order
	for i := range roomlog.MaxRecent + 100 {
		want = append(want, publish(t, e, "room", text(fmt.Sprint(i))).pos.Offset)
	}
	behind := []uint64{want[20], want[10]}
	var answers [2]chan engine.History
	for i := range answers {
		answers[i] = make(chan engine.History, 1)
		e.History("room", engine.Span{Behind: behind[i], Limit: -1, Places: true}, func(h engine.History, err error) {
			if err != nil {
				t.Error(err)
			}
			answers[i] <- h
		})
	}
	for i := range answers {
		checkRecovered(t, receive(t, answers[i]), behind[i], want)
	}
}

// TestRecoveryIsNotWhole checks that a client that was away for too long gets what the room keeps, and
// can see that something is missing.
func TestRecoveryIsNotWhole(t *testing.T) {
	s, keep := startServer(t), func(string) engine.Retention { return engine.Retention{Messages: 5, Bytes: 1 << 20} }
	e := open(t, s, Config{Keep: keep})
	var offsets []uint64
	for range 12 {
		offsets = append(offsets, publish(t, e, "room", text("x")).pos.Offset)
	}
	e.Close()
	again := open(t, s, Config{Keep: keep})
	subscribe(t, again, "room")
	for _, behind := range []uint64{0, offsets[1], offsets[5]} {
		got := history(t, again, "room", engine.Span{Behind: behind, Limit: -1, Places: true}).Publications
		if len(got) != 5 || got[0].Offset != offsets[7] || got[0].Prev != offsets[6] {
			t.Errorf("behind %d: %+v", behind, got)
		}
	}
}

// TestForwardPages reads pages that begin behind any offset, at which the room may have no publication: the first of a page names
// the publication before it, also one that is too old to be shown or was redacted.
func TestForwardPages(t *testing.T) {
	clock := new(enginetest.Clock)
	e := open(t, startServer(t), Config{Keep: always, Now: clock.Now})
	for _, room := range []string{"r", "other", "other", "r", "r", "other", "r"} {
		if got := publish(t, e, room, text("x")); got.err != nil {
			t.Fatal(got.err)
		}
		clock.Advance(time.Minute)
	}
	redacted := make(chan error, 1)
	if e.Redact("r", []uint64{4}, func(err error) { redacted <- err }); receive(t, redacted) != nil {
		t.Fatal("a publication is not redacted")
	}
	young := &engine.Retention{Messages: 100, Bytes: 1 << 20, Age: 2*time.Minute + time.Second}
	for _, c := range []struct {
		behind uint64
		keep   *engine.Retention
		want   string // offset and predecessor of each
	}{
		{0, nil, "1<0 4<1 5<4 7<5"},
		{1, nil, "4<1 5<4 7<5"},
		{2, nil, "4<1 5<4 7<5"},
		{3, nil, "4<1 5<4 7<5"},
		{4, nil, "5<4 7<5"},
		{6, nil, "7<5"},
		{7, nil, ""},
		{1, young, "7<5"},
		{2, young, "7<5"},
		{6, young, "7<5"},
	} {
		keep := e.keepOf("r", c.keep)
		h, err := e.logOf(e.class("r"), "r").Page(engine.Span{Behind: c.behind, Limit: 10}, keep)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range h.Publications {
			got = append(got, fmt.Sprintf("%d<%d", p.Offset, p.Prev))
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("behind %d, with the age %v: %s; want %s", c.behind, keep.Age, got, c.want)
		}
	}
}
