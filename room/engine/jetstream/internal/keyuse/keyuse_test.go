package keyuse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/nats-io/nats.go/jetstream"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/retire"
	"webim/room/engine/jetstream/internal/subject"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// start starts a server with the stream of a class.
func start(t *testing.T, c subject.Class) (jetstream.JetStream, logread.Leader) {
	t.Helper()
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()))
	js, err := jetstream.New(nc)
	if err == nil {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: c.Stream, Subjects: []string{c.Rooms()}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return js, logread.New(nc, logread.Config{}).Leader()
}

// message returns a stored message that is sealed with a key; 0: it is not sealed.
func message(id uint64) []byte {
	m := envelope.Envelope{Op: ws.OpText, HasAuthor: true, From: engine.Author{User: "ann"}}
	if id != 0 {
		m.Sealed = binary.BigEndian.AppendUint64(nil, id)
		m.Sealed = append(m.Sealed, make([]byte, envelope.MinSealed)...)
	}
	return envelope.Append(nil, &m)
}

// TestScan reads a stream in two parts, with more messages than a batch has.
func TestScan(t *testing.T) {
	c := subject.ClassOf(0)
	js, leader := start(t, c)
	say := func(data []byte) {
		t.Helper()
		if _, err := js.Publish(t.Context(), c.Room("r"), data); err != nil {
			t.Fatal(err)
		}
	}
	var got []uint64
	rests, ill := 0, errors.New("ill")
	var fail error
	var newer Newer
	scan := func(after uint64) (uint64, error) {
		got, rests = nil, 0
		return Scan(t.Context(), js, leader, c, after, func(time.Duration) error { rests++; return fail }, func(id uint64) { got = append(got, id) }, &newer)
	}
	if upTo, err := scan(0); err != nil || upTo != 1 || got != nil {
		t.Errorf("an empty stream: %d, %v, %v", upTo, got, err)
	}
	const n = 3*batch + 5
	for i := range uint64(n) {
		say(message(i + 1))
	}
	say(message(0))
	say([]byte{envelope.Version, 0xff})
	upTo, err := scan(0)
	if err != nil || len(got) != n || got[0] != 1 || got[n-1] != n || rests < 3 {
		t.Errorf("%d ids, %d rests, %v", len(got), rests, err)
	}
	say(message(7))
	if upTo, err = scan(upTo); err != nil || !slices.Equal(got, []uint64{7}) {
		t.Errorf("what is new: %v, %v", got, err)
	}
	if _, err := scan(upTo + 1000); err == nil {
		t.Error("a stream that has lost messages is read")
	}
	fail = ill
	if _, err := scan(0); !errors.Is(err, ill) {
		t.Errorf("the caller ends it: %v", err)
	}
	fail = nil
	if err := newer.Err(); err != nil {
		t.Errorf("without messages of a newer webim: %v", err)
	}
	first, err := js.Publish(t.Context(), c.Room("r"), []byte{envelope.Version + 1, 0, 0})
	if err != nil {
		t.Fatal(err)
	}
	say(message(8))
	say([]byte{envelope.MaxVersion, 0, 0})
	say([]byte(`{"text":"x"}`))
	if _, err := scan(upTo); err != nil || !slices.Equal(got, []uint64{8}) {
		t.Errorf("with messages of a newer webim: %v, %v", got, err)
	}
	want := fmt.Sprintf(": the stream %s has 2, and the first has the sequence %d;", c.Stream, first.Sequence)
	if err := newer.Err(); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want: %s", err, want)
	}
	s, err := js.Stream(t.Context(), c.Stream)
	if err != nil || s.CachedInfo().State.Msgs != n+7 {
		t.Errorf("markers are left, %v", err)
	}
}

func TestSet(t *testing.T) {
	s := NewSet([]retire.Ref{{Seq: 1, ID: 30}, {Seq: 2, ID: 10}, {Seq: 3, ID: 20}, {Seq: 4, ID: 40}})
	s.Use(20)
	s.Use(99)
	if all := s.TakeUnused(2); !slices.Equal(all, []retire.Ref{{Seq: 1, ID: 30}, {Seq: 2, ID: 10}}) {
		t.Errorf("took %v", all)
	}
	s.Use(40)
	if !s.IsUsed(20) || !s.IsUsed(40) || s.IsUsed(30) || s.TakeUnused(9) != nil {
		t.Error("a key in use counts as unused")
	}
}
