package flight

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
)

// full has a value in each field that a Record shows.
func full() *end {
	at := func(ms int64) time.Time { return time.UnixMilli(1e12 + ms) }
	return &end{user: "ann", client: "c1", dialect: "json", rooms: []string{"r", "$club"}, inRooms: 9, at: at(60_000),
		info: netpoll.Info{ID: 7<<32 | 5, Remote: netip.MustParseAddrPort("[2001:db8::1]:4321"), TLS: true, Opened: at(0), LastReceive: at(1), LastSend: at(2),
			BytesIn: 1, BytesOut: 2, MessagesIn: 3, MessagesOut: 4},
		flight: netpoll.Flight{HighWater: 5, RoundTrip: 1500 * time.Microsecond, Events: []netpoll.Event{{Kind: netpoll.EventRefusal, At: at(3), Count: 6, Bytes: 7, Code: 103}}},
		why:    netpoll.Closed{Cause: netpoll.ClientGone, Code: 4503, Reason: "banned", By: netpoll.ByOperator}}
}

// stateOf writes a Recorder down.
func stateOf(r *Recorder) []byte {
	var e snapshot.Encoder
	r.Export(&e)
	return e.B
}

// TestGolden checks that this program reads and writes the records of each version that it knows.
func TestGolden(t *testing.T) {
	r, again := New(), New()
	r.keep(r.opened, full())
	r.keep(r.never, &end{at: time.UnixMilli(1e12), info: netpoll.Info{Remote: netip.MustParseAddrPort("192.0.2.1:7")}, why: netpoll.Closed{Cause: netpoll.Refused, Code: 403, By: netpoll.ByLimit}})
	state := wstest.Golden(t, "v1", stateOf(r))
	if err := again.Import(snapshot.Decode(state)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stateOf(again), state) {
		t.Error("it is read as something else")
	}
	for _, who := range []string{"ann", "192.0.2.1"} {
		if got, want := again.Find(who, 10), r.Find(who, 10); len(want) != 1 || !reflect.DeepEqual(got, want) {
			t.Errorf("of %s there is %+v, want %+v", who, got, want)
		}
	}
	shown := reflect.ValueOf(again.Find("ann", 1)[0])
	for i := range shown.NumField() {
		if name := shown.Type().Field(i).Name; shown.Field(i).IsZero() && name != "Node" {
			t.Errorf("the test does not set %s", name)
		}
	}
}

// TestMovedAreLimited checks that the latest records move if they are too large, and stay in their order.
func TestMovedAreLimited(t *testing.T) {
	r, again := New(), New()
	const size, count = 100 << 10, 60
	for i := range count {
		r.keep(r.opened, &end{user: fmt.Sprint("u", i), dialect: "json", at: time.UnixMilli(int64(i)), why: netpoll.Closed{Reason: strings.Repeat("x", size)}})
	}
	state := stateOf(r)
	if len(state) > maxMoved+1000 || len(state) < maxMoved-2*size {
		t.Errorf("%d bytes move", len(state))
	}
	if err := again.Import(snapshot.Decode(state)); err != nil {
		t.Fatal(err)
	}
	if first, last := again.Find("u0", 1), again.Find(fmt.Sprint("u", count-1), 1); len(first) != 0 || len(last) != 1 {
		t.Errorf("the first: %d, the last: %d", len(first), len(last))
	}
	if oldest := again.opened.Oldest().Value.user; oldest != fmt.Sprint("u", count-again.opened.Len()) {
		t.Errorf("the oldest of %d is %s", again.opened.Len(), oldest)
	}
}

// FuzzImport checks that no state makes the reader panic, and that what it reads it can write.
func FuzzImport(f *testing.F) {
	r := New()
	r.keep(r.opened, full())
	f.Add(stateOf(r))
	f.Fuzz(func(t *testing.T, state []byte) {
		a, b := New(), New()
		if a.Import(snapshot.Decode(state)) != nil {
			return
		}
		if err := b.Import(snapshot.Decode(stateOf(a))); err != nil {
			t.Error(err)
		}
		for _, q := range []*Recorder{a, b} {
			q.Find("ann", 10)
		}
	})
}
