package jetstream

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"webim/netpoll/wstest"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/codec"
	"webim/room/engine/jetstream/internal/cuts"
	"webim/room/engine/jetstream/internal/envelope"
	"webim/room/engine/jetstream/internal/logread"
	"webim/room/engine/jetstream/internal/removals"
	"webim/room/engine/jetstream/internal/stubs"
	"webim/room/engine/jetstream/internal/subject"
)

// denied opens an engine whose server denies the messages of a stream until it gets a marker. prove checks that it did deny some.
func denied(t *testing.T, s *natsServer, stream, marker string, cfg Config) (e *Engine, l *lying, prove func()) {
	t.Helper()
	l = startLying(t, s)
	l.request, l.marker = reads+stream, marker
	cfg.Connect = l.connect
	e = openWith(t, cfg)
	l.set(true, false)
	return e, l, func() {
		t.Helper()
		if l.hasDenied() == 0 {
			t.Error("nothing was denied, so the test proves nothing")
		}
	}
}

const ever, everMarker = "ROOMS_ever", "room.ever.=proof-"

// TestDeniedRoom opens a store with other history ages while a server denies the messages that a room has in its present class:
// its history stays.
func TestDeniedRoom(t *testing.T) {
	s := startServer(t)
	short := func(string) engine.Retention {
		return engine.Retention{Messages: 100, Bytes: 1 << 20, Age: time.Hour}
	}
	a := open(t, s, Config{Keep: short, Classes: "short"})
	publish(t, a, "r", text("old"))
	a.Close()
	b := open(t, s, Config{Keep: always, Classes: "always"})
	publish(t, b, "r", text("new"))
	b.Close()
	l := startLying(t, s)
	l.request, l.marker = reads+ever, everMarker
	l.set(true, false)
	e := openWith(t, Config{Keep: always, Classes: "again", Connect: l.connect})
	if l.hasDenied() > 0 {
		t.Error("a message was denied, so it was asked for without a proof")
	}
	if err := checkReadable(t, e, "r", engine.Span{Limit: -1}, "new"); err != nil {
		t.Error(err)
	}
}

// TestDeniedErasures reads the list of erased users while a server denies its end.
func TestDeniedErasures(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	erase(t, a, "ann")
	e, l, prove := denied(t, s, "ERASED", "erased.=proof-", Config{Keep: always})
	read := func() (all string, err error) {
		err = e.erased.Each(t.Context(), func(user string, _ time.Time) error { all += user; return nil })
		return all, err
	}
	if all, err := read(); all != "ann" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
	prove()
	l.set(true, true)
	if all, err := read(); !errors.Is(err, logread.ErrUnavailable) {
		t.Errorf("without a marker: %q, %v", all, err)
	}
	l.set(false, false)
	if all, err := read(); all != "ann" || err != nil {
		t.Errorf("afterwards: %q, %v", all, err)
	}
}

// TestDeniedRemovals reads the note of the removals while a server denies it.
func TestDeniedRemovals(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	is := engine.Entry{Key: engine.Key{Table: "cut", Of: "r", Name: "ever"}, Value: []byte("x")}
	if err := removals.Write(t.Context(), a.streams, []engine.Entry{is}); err != nil {
		t.Fatal(err)
	}
	e, l, prove := denied(t, s, removals.Stream, "none", Config{Keep: always})
	if all, err := removals.Read(t.Context(), e.read.Leader(), true); !errors.Is(err, logread.ErrUnavailable) || errors.Is(err, logread.ErrNoStream) {
		t.Errorf("without the end: %v, %v", all, err)
	}
	prove()
	l.set(false, false)
	if all, err := removals.Read(t.Context(), e.read.Leader(), true); len(all) != 1 || err != nil {
		t.Errorf("%v, %v", all, err)
	}
}

// TestDeniedRemoval repeats the removal of a publication, and removes a history, while a server denies the messages.
func TestDeniedRemoval(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	at := publish(t, a, "r", text("x")).pos.Offset
	last := publish(t, a, "r", text("y")).pos.Offset
	one, err := a.read.At(t.Context(), ever, at)
	if err != nil {
		t.Fatal(err)
	}
	e, l, prove := denied(t, s, ever, everMarker, Config{Keep: always})
	stub := engine.Entry{Key: stubs.Key(subject.ClassOf(0), "r", at), Value: one.Data}
	if err := e.applyStub(stub); err != nil {
		t.Error(err)
	}
	prove()
	// The other node hears of the stub a moment later.
	wstest.Eventually(t, "the stub", func() bool { return a.state.Entry(stub.Key).Version != 0 })
	if h := history(t, a, "r", engine.Span{Limit: -1}).Publications; len(h) != 2 || !h[0].Redacted() || string(h[1].Data) != "y" {
		t.Errorf("the room has %+v", h)
	}
	l.set(true, false)
	if err := e.removeHistory("r"); err != nil {
		t.Error(err)
	}
	if cut := e.cuts.Get(e.class("r").cutOf("r")); cut.Offset != last {
		t.Errorf("the history is removed up to %d, want %d", cut.Offset, last)
	}
}

// TestRemoveHistoryAfterAnOldAnswer removes the history of a room while a server answers that lacks its last message: that goes, too. A log
// that takes no proof, as one without space, has at least what the room's members have got.
func TestRemoveHistoryAfterAnOldAnswer(t *testing.T) {
	for _, sole := range []bool{false, true} {
		s := startServer(t)
		l := startLying(t, s)
		l.request, l.marker = reads+ever, everMarker
		e := openWith(t, Config{Keep: always, Connect: l.connect, Sole: sole, sweep: time.Hour})
		r := subscribe(t, e, "r")
		publish(t, e, "r", text("x"))
		old, err := e.nc.Request(reads+ever, fmt.Appendf(nil, `{"last_by_subj":%q}`, e.class("r").Room("r")), wstest.Patience)
		if err != nil {
			t.Fatal(err)
		}
		last := publish(t, e, "r", text("y")).pos.Offset
		r.wait(t, "both", func() bool { return len(r.got) == 2 })
		l.answer = string(old.Data)
		l.set(true, false)
		if err := e.removeHistory("r"); err != nil {
			t.Fatal(err)
		}
		if cut := e.cuts.Get(e.class("r").cutOf("r")); cut.Offset < last {
			t.Errorf("sole: %v: the history is removed up to %d, want %d", sole, cut.Offset, last)
		}
		if sole && l.hasDenied() == 0 {
			t.Error("no old answer came, so the test proves nothing")
		}
		l.set(false, false)
	}
}

// TestDeniedExport exports a room while the servers that answer have nothing of it.
func TestDeniedExport(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	publish(t, a, "r", text("x"))
	publish(t, a, "r", text("y"))
	e, l, _ := denied(t, s, ever, everMarker, Config{Keep: always, empty: func() bool { return true }})
	all := ""
	err := e.ExportRooms(context.Background(), "r", func(_ string, p engine.Publication) error { all += string(p.Data); return nil })
	if all != "xy" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
	l.set(true, true)
	if err := e.ExportRooms(context.Background(), "r", func(string, engine.Publication) error { return nil }); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("without a marker: %v", err)
	}
}

// TestDeniedUnfinishedRemoval looks after a stub and a cut whose node has ended before it has deleted anything, while a server
// denies the messages: they are deleted nevertheless.
func TestDeniedUnfinishedRemoval(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always, lookEvery: time.Hour})
	at := publish(t, a, "redacted", text("redacted-text")).pos.Offset
	last := publish(t, a, "removed", text("removed-text")).pos.Offset
	one, err := a.read.At(t.Context(), ever, at)
	if err != nil {
		t.Fatal(err)
	}
	c := a.class("r")
	p, _, err := a.codec.Decode("redacted", at, one.Data, true)
	if err != nil {
		t.Fatal(err)
	}
	p = p.Redact()
	stub := engine.Entry{Key: stubs.Key(c.Class, "redacted", at), Value: envelope.Append(nil, codec.Encode(&p.Message, p.Time, 0, 0))}
	removed := engine.Entry{Key: c.cutOf("removed").Entry(), Value: cuts.Cut{Times: 1, Offset: last}.Encode()}
	if err := errors.Join(a.put(stub), a.put(removed)); err != nil {
		t.Fatal(err)
	}
	a.Close()
	e, l, _ := denied(t, s, ever, everMarker, Config{Keep: always, lookEvery: time.Hour})
	for _, loses := range []bool{true, false} {
		l.set(true, loses)
		for range 4 { // the removals become old, are looked at, are looked at again, and are completed
			e.sweepRemoved()
		}
	}
	gone(t, s, "redacted-text")
	gone(t, s, "removed-text")
}

// TestDeniedRedact redacts a publication on a node that knows nothing of the log, while a server denies the message.
func TestDeniedRedact(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	at := publish(t, a, "r", text("x")).pos.Offset
	e, l, prove := denied(t, s, ever, everMarker, Config{Keep: always})
	redact(t, e, "r", at)
	prove()
	if h := history(t, e, "r", engine.Span{Limit: -1}).Publications; len(h) != 1 || !h[0].Redacted() {
		t.Errorf("the room has %+v", h)
	}
	at = publish(t, a, "r", text("y")).pos.Offset
	l.set(true, true)
	if err := e.redact("r", []uint64{at}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("without a marker: %v", err)
	}
}

// TestDeniedStreams exports the rooms of a store whose streams a server denies.
func TestDeniedStreams(t *testing.T) {
	s := startServer(t)
	a := open(t, s, Config{Keep: always})
	publish(t, a, "r", text("x"))
	e, l, _ := denied(t, s, "", "$JS.API.STREAM.CREATE.WEBIM_PROOF_", Config{Keep: always})
	l.set(false, false)
	l.request, l.answer = "$JS.API.STREAM.NAMES", `{"total":0,"offset":0,"limit":1024,"streams":null}`
	l.set(true, false)
	export := func() (all string, err error) {
		err = e.ExportRooms(t.Context(), "r", func(_ string, p engine.Publication) error { all += string(p.Data); return nil })
		return all, err
	}
	if all, err := export(); all != "x" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
	l.set(true, true)
	if all, err := export(); err == nil {
		t.Errorf("without a proof: %q", all)
	}
}
