package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/jetstream/internal/daily"
)

// stalling is a server on whose connections nothing can be written while it stalls, as on those to a server that
// has been stopped or that the network has forgotten.
type stalling struct {
	*natsServer
	mu     sync.Mutex
	change *sync.Cond
	stalls bool
	waits  int // writes that wait
}

func startStalling(t testing.TB) *stalling {
	s := &stalling{natsServer: startServer(t)}
	s.change = sync.NewCond(&s.mu)
	t.Cleanup(func() { s.stall(false) })
	return s
}

func (s *stalling) stall(on bool) {
	s.mu.Lock()
	s.stalls = on
	s.mu.Unlock()
	s.change.Broadcast()
}

func (s *stalling) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waits
}

// InProcessConn implements nats.InProcessConnProvider.
func (s *stalling) InProcessConn() (net.Conn, error) {
	c, err := s.natsServer.InProcessConn()
	return stallingConn{c, s}, err
}

func (s *stalling) connect(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(opts, nats.InProcessServer(s))...)
}

type stallingConn struct {
	net.Conn
	s *stalling
}

func (c stallingConn) Write(b []byte) (int, error) {
	c.s.mu.Lock()
	c.s.waits++
	for c.s.stalls {
		c.s.change.Wait()
	}
	c.s.waits--
	c.s.mu.Unlock()
	return c.Conn.Write(b)
}

// TestSlowServerStopsNobody checks that no method of the engine waits for a connection on which nothing can be
// written, and that every message ends.
func TestSlowServerStopsNobody(t *testing.T) {
	s := startStalling(t)
	e := openWith(t, Config{Connect: s.connect, Keep: always})
	r := subscribe(t, e, "r")
	s.stall(true)
	defer s.stall(false)
	const n = 100
	ended := make(chan error, n)
	large := text(string(make([]byte, 64<<10)))
	for range n {
		e.Publish("r", large, func(_ engine.Position, err error) { ended <- err })
	}
	wstest.Eventually(t, "the connection is full", func() bool { return s.waiting() > 0 })
	for i := range 100 { // some of the jobs wait for the connection now
		e.Subscribe(fmt.Sprint("other", i), budget.Owner{}, newRecorder())
	}
	for name, call := range map[string]func(){
		"Publish":       func() { e.Publish("r", text("x"), nil) },
		"Publish other": func() { e.Publish("other1", text("x"), nil) },
		"Known":         func() { e.Known("r", engine.Message{Key: "k"}, func(engine.Position, error) {}) },
		"History":       func() { e.History("r", engine.Span{}, func(engine.History, error) {}) },
		"History other": func() { e.History("other1", engine.Span{}, func(engine.History, error) {}) },
		"Subscribe":     func() { e.Subscribe("new", budget.Owner{}, newRecorder()) },
		"Put":           func() { e.Put(engine.Entry{Key: engine.Key{Table: "t"}, Value: []byte("x")}, func(uint64, error) {}) },
		"Count":         func() { e.Count("r", func(int, int, error) {}) },
		"Members":       func() { e.Members("r", 10, func([]engine.Author, error) {}) },
		"SendControl":   func() { e.SendControl(engine.ControlMessage{Kind: engine.ControlSend}, func(error) {}) },
		"Notify":        func() { e.Notify("r", engine.Notice{}) },
		"Health":        func() { e.Health() },
	} {
		done := make(chan bool, 1)
		go func() { call(); done <- true }()
		t.Log(name)
		receive(t, done)
	}
	for range n {
		receive(t, ended)
	}
	s.stall(false)
	wstest.Eventually(t, "the store takes messages again", func() bool { return publish(t, e, "r", text("last")).err == nil })
	r.wait(t, "the last message", func() bool { return len(r.got) > 0 && string(r.got[len(r.got)-1].Data) == "last" })
}

// TestManyReconnects loses the connection again and again, also while the store is being opened again, and then
// checks that all goes on, and that no goroutine and no consumer is left of it.
func TestManyReconnects(t *testing.T) {
	s := startServer(t)
	e := open(t, s, Config{Keep: always})
	r := subscribe(t, e, "r")
	publish(t, e, "r", text("first"))
	before := runtime.NumGoroutine()
	for range 100 {
		if err := e.nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		e.Publish("r", text("between"), nil)
		e.Put(engine.Entry{Key: engine.Key{Table: "t"}, Version: engine.AnyVersion, Value: []byte("x")}, func(uint64, error) {})
	}
	wstest.Eventually(t, "the store takes messages again", func() bool { return publish(t, e, "r", text("last")).err == nil })
	r.wait(t, "the last message", func() bool { return string(r.got[len(r.got)-1].Data) == "last" })
	checkChain(t, r.got)
	wstest.Eventually(t, "State takes entries again", func() bool {
		_, err := put(t, e, engine.Entry{Key: engine.Key{Table: "t"}, Version: engine.AnyVersion, Value: []byte("last")})
		return err == nil
	})
	wstest.Eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+5 })
}

// TestOneOpensAgain checks that one job at a time opens the store again, however often the connection is lost
// meanwhile.
func TestOneOpensAgain(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	running := func() int {
		buf := make([]byte, 1<<20)
		return strings.Count(string(buf[:runtime.Stack(buf, true)]), "jetstream.(*Engine).back(")
	}
	e.stateMu.Lock() // so it waits
	for n := uint64(1); n <= 3; n++ {
		if err := e.nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		wstest.Eventually(t, "the connection is up", func() bool { return e.nc.Stats().Reconnects == n && e.nc.IsConnected() })
	}
	wstest.Eventually(t, "a job opens the store", func() bool { return running() > 0 && e.reconnects.Load() == 3 })
	if n := running(); n != 1 {
		t.Errorf("%d jobs open the store", n)
	}
	e.stateMu.Unlock()
	wstest.Eventually(t, "the store takes messages again", func() bool { return publish(t, e, "r", text("x")).err == nil })
	wstest.Eventually(t, "all is done", func() bool { return running() == 0 && e.reconnects.Load() == 0 })
}

// TestClockIsSetBack checks that a ban comes back if it has only seemed to expire.
func TestClockIsSetBack(t *testing.T) {
	clock := new(enginetest.Clock)
	e := open(t, startServer(t), Config{Now: clock.Now})
	k := engine.Key{Table: engine.TableBan, Of: "r", Name: "bob"}
	if _, err := put(t, e, engine.Entry{Key: k, Value: []byte("1"), Expires: clock.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	w := new(told)
	e.Watch(engine.TableBan, w.change)
	clock.Advance(2 * time.Hour)
	w.await(t, "bob:>1 bob:1>")
	clock.Advance(-2 * time.Hour)
	w.await(t, "bob:>1 bob:1> bob:>1")
	seen(t, e, k, "1")
}

// TestUnreadableStopsNobody puts messages and a key into the store that this node cannot read, and checks that the
// others are delivered, recovered and read.
func TestUnreadableStopsNobody(t *testing.T) {
	s := startServer(t)
	writer := open(t, s, Config{Keep: always})
	publish(t, writer, "r", said("bob", "of a damaged key"))
	keys, err := writer.js.Stream(t.Context(), "KEYS")
	if err == nil {
		err = keys.Purge(t.Context())
	}
	if err == nil {
		_, err = writer.js.Publish(t.Context(), "key.bob", []byte("no key"))
	}
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, s, Config{Keep: always})
	r := subscribe(t, e, "r")
	subject := e.class("r").Room("r")
	for _, bytes := range []string{"\x02of a newer version", "", "\x01\xff", strings.Repeat("x", 1<<20)} {
		if _, err := e.js.Publish(t.Context(), subject, []byte(bytes)); err != nil {
			t.Fatal(err)
		}
	}
	live := e.class("r").Live("r")
	for _, seq := range []string{"", "x", "0", "18446744073709551615"} { // what the server has never sent
		for _, prev := range []string{"", "0", "18446744073709551615"} {
			m := nats.NewMsg(live)
			m.Header.Set(hdrSeq, seq)
			m.Header.Set(hdrPrev, prev)
			if err := e.nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(t, e, "r", text("last"))
	r.wait(t, "the last message", func() bool { return len(r.got) > 0 && string(r.got[len(r.got)-1].Data) == "last" })
	for _, node := range []*Engine{e, open(t, s, Config{Keep: always})} {
		h := history(t, node, "r", engine.Span{Limit: -1})
		if n := len(h.Publications); n != 1 || string(h.Publications[0].Data) != "last" {
			t.Errorf("%d publications: %+v", n, h.Publications)
		}
	}
}

// TestFailuresAreLoggedOnce checks that what fails in each of many rooms fills no log.
func TestFailuresAreLoggedOnce(t *testing.T) {
	var lines wstest.Log
	e := open(t, startServer(t), Config{Log: slog.New(slog.NewTextHandler(&lines, nil))})
	for i := range 10_000 {
		e.failed("a room cannot be opened", fmt.Sprint("room", i), engine.ErrUnavailable)
	}
	e.Close()
	if n := strings.Count(lines.String(), "a room cannot be opened"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

// copyFolder copies the files of a store.
func copyFolder(t testing.TB, from string) (to string) {
	t.Helper()
	to = t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestStoreGoesBack gives a running node an older copy of its store, an empty one, and deletes its streams. In each
// case the sequences come again, so the room gets a new epoch, what is published is delivered, and the State can be
// written. A new node can read everything that was acknowledged since then.
func TestStoreGoesBack(t *testing.T) {
	for name, loses := range map[string]func(s *natsServer, e *Engine){
		"a backup is restored": func(s *natsServer, e *Engine) {
			s.stop()
			s.dir = copyFolder(s.t, filepath.Join(s.dir, "backup"))
			s.start()
		},
		"the store is empty": func(s *natsServer, e *Engine) {
			s.stop()
			s.dir = s.t.TempDir()
			s.start()
		},
		"the streams are deleted": func(s *natsServer, e *Engine) {
			for _, stream := range []string{"ROOMS_ever", "STATE", "KEYS"} {
				if err := e.js.DeleteStream(s.t.Context(), stream); err != nil {
					s.t.Fatal(err)
				}
			}
			wstest.Eventually(s.t, "the store is made again", func() bool {
				got := publish(s.t, e, "other", text("x"))
				return got.err == nil && len(history(s.t, e, "other", engine.Span{Limit: -1}).Publications) > 0
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			e := open(t, s, Config{Keep: always})
			k := engine.Key{Table: "t", Of: "r", Name: "n"}
			publish(t, e, "r", said("ann", "kept"))
			if _, err := put(t, e, engine.Entry{Key: k, Version: engine.AnyVersion, Value: []byte("old")}); err != nil {
				t.Fatal(err)
			}
			e.Close()
			s.stop()
			backup := copyFolder(t, s.dir)
			if err := os.Rename(backup, filepath.Join(s.dir, "backup")); err != nil {
				t.Fatal(err)
			}
			s.start()
			e = open(t, s, Config{Keep: always})
			r := subscribe(t, e, "r")
			keyed := said("ann", "keyed")
			keyed.Key = "k"
			for _, m := range []engine.Message{said("bob", "lost"), keyed, said("bob", "lost, too")} {
				if got := publish(t, e, "r", m); got.err != nil {
					t.Fatal(got.err)
				}
			}
			r.wait(t, "what is lost later", func() bool { return len(r.got) == 3 })
			if _, err := put(t, e, engine.Entry{Key: k, Version: engine.AnyVersion, Value: []byte("new")}); err != nil {
				t.Fatal(err)
			}
			loses(s, e)
			r.wait(t, "a new epoch", func() bool { return len(r.begins) > 1 && r.begins[len(r.begins)-1].Epoch != r.begins[0].Epoch })
			wstest.Eventually(t, "the store takes messages again", func() bool { return publish(t, e, "r", said("bob", "again")).err == nil })
			if got := publish(t, e, "r", keyed); got.err != nil {
				t.Errorf("a message with a key that was lost: %v", got.err)
			}
			r.wait(t, "what is published now", func() bool { return string(r.got[len(r.got)-1].Data) == "keyed" && len(r.got) > 4 })
			wstest.Eventually(t, "the State takes entries", func() bool {
				_, err := put(t, e, engine.Entry{Key: k, Version: get(t, e, k).Version, Value: []byte("newest")})
				return err == nil
			})
			fresh := open(t, s, Config{Keep: always})
			all, err := readable(history(t, fresh, "r", engine.Span{Limit: 2, Newest: true}))
			if err != nil || !strings.Contains(all, "again") || !strings.Contains(all, "keyed") {
				t.Errorf("a new node reads %q, %v", all, err)
			}
		})
	}
}

// TestPayersShareWhatWaits lets payers publish as much as they may while the store takes nothing, and checks that
// messages of others still find space, in rooms that are open, that open, and that are not known; and that all
// space is given back.
func TestPayersShareWhatWaits(t *testing.T) {
	s := startStalling(t)
	e := openWith(t, Config{Connect: s.connect, Keep: always})
	defer s.stall(false)
	subscribe(t, e, "open")
	publish(t, e, "open", said("ann", "has a key"))
	s.stall(true)
	e.Subscribe("opens", budget.Owner{}, newRecorder())
	var waits sync.WaitGroup
	say := func(payer budget.Owner, room string, size int) (refused bool) {
		m := said("ann", strings.Repeat("x", size))
		m.Payer = payer
		waits.Add(1)
		atOnce := make(chan error, 1)
		e.Publish(room, m, func(_ engine.Position, err error) { atOnce <- err; waits.Done() })
		return len(atOnce) > 0
	}
	rooms := []string{"open", "opens", "new"}
	for i, payer := range []budget.Owner{budget.User("greedy"), budget.Addr(netip.MustParseAddr("192.0.2.1"))} {
		n := 0
		for ; n <= 64 && !say(payer, rooms[n%3], 256<<10); n++ {
		}
		if n == 0 || n > 64 {
			t.Errorf("payer %d has space for %d messages", i, n)
		}
	}
	for _, room := range rooms {
		if say(budget.User("other"), room, 100) || say(budget.Owner{}, room, 100) {
			t.Errorf("room %s: there is no space for others", room)
		}
	}
	s.stall(false)
	waits.Wait()
	if n := e.unacknowledged.Used(); n != 0 {
		t.Errorf("%d bytes are not given back", n)
	}
}

// TestPayersShareReads lets payers read as much as they may while the store answers nothing, in one room and in many, and
// checks that reads of others and of the server still find a place, and that all places are given back.
func TestPayersShareReads(t *testing.T) {
	s := startStalling(t)
	e := openWith(t, Config{Connect: s.connect, Keep: always})
	defer s.stall(false)
	for i := range 3 {
		publish(t, e, fmt.Sprint("r", i), text("x"))
	}
	s.stall(true)
	var waits sync.WaitGroup
	read := func(payer budget.Owner, i int) (refused bool) {
		part := engine.Span{Limit: 1 - i%2, Newest: true, Payer: payer} // also only the top
		waits.Add(1)
		atOnce := make(chan error, 1)
		e.History(fmt.Sprint("r", i%3), part, func(_ engine.History, err error) { atOnce <- err; waits.Done() })
		return len(atOnce) > 0
	}
	for i, payer := range []budget.Owner{budget.User("greedy"), budget.Addr(netip.MustParseAddr("192.0.2.1"))} {
		n := 0
		for ; n < maxReads && !read(payer, n); n++ {
		}
		if n == 0 || n > maxReads/16 {
			t.Errorf("payer %d has places for %d reads", i, n)
		}
	}
	for i := range 6 {
		if read(budget.User("other"), i) || read(budget.Owner{}, i) {
			t.Errorf("read %d: there is no place for others", i)
		}
	}
	s.stall(false)
	waits.Wait()
	if n := e.reads.Used(); n != 0 {
		t.Errorf("%d places are not given back", n)
	}
}

// TestPayersShareTheLog lets a payer store as much as one may in a day, and checks that others, the server, and rooms that
// keep messages for a short time still have space.
func TestPayersShareTheLog(t *testing.T) {
	keep := func(room string) engine.Retention {
		r := always(room)
		if room == "short" {
			r.Age = time.Hour
		}
		return r
	}
	var lines wstest.Log
	e := open(t, startServer(t), Config{Keep: keep, MaxDaily: 100_000, Log: slog.New(slog.NewTextHandler(&lines, nil))})
	say := func(payer budget.Owner, room string) error {
		m := said("ann", strings.Repeat("x", 10_000))
		m.Payer = payer
		return publish(t, e, room, m).err
	}
	greedy, stored := budget.User("greedy"), 0
	for ; stored < 20 && say(greedy, "ever") == nil; stored++ {
	}
	if stored == 0 || stored > 10 {
		t.Errorf("a payer stores %d messages of 10,000 bytes, and has 100,000 bytes a day", stored)
	}
	if err := say(greedy, "ever"); !errors.Is(err, engine.ErrStoreFull) {
		t.Errorf("above the share: %v", err)
	}
	for name, err := range map[string]error{"another payer": say(budget.User("other"), "ever"), "the server": say(budget.Owner{}, "ever"), "a room that keeps messages for an hour": say(greedy, "short")} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := count(&lines, "a message is refused: its owner has stored as much as one may in a day", "owner=user:greedy"); n == 0 {
		t.Error("the log says nothing of it")
	}
}

// TestPayersShareKeys lets new users of one address speak, each of which needs a key, and checks that those of other addresses,
// and users who have a key, can speak after the address has made as many as it may.
func TestPayersShareKeys(t *testing.T) {
	e := open(t, startServer(t), Config{Keep: always})
	e.newKeys = daily.New(3, time.Now())
	say := func(payer budget.Owner, user string) error {
		m := said(user, "hello")
		m.Payer = payer
		return publish(t, e, "r", m).err
	}
	here, there := budget.Addr(netip.MustParseAddr("192.0.2.1")), budget.Addr(netip.MustParseAddr("192.0.2.2"))
	for i := range 3 {
		if err := say(here, fmt.Sprint("guest", i)); err != nil {
			t.Errorf("guest %d: %v", i, err)
		}
	}
	for range 2 {
		if err := say(here, "guest3"); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("a guest too many: %v", err)
		}
	}
	for name, err := range map[string]error{"a guest with a key": say(here, "guest0"), "the same user, elsewhere": say(there, "guest3"), "the server": say(budget.Owner{}, "guest4")} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPayersShareAllKeys checks that the users of one address do not get the keys of all users, however long it takes, and after
// a restart, and that those of other addresses do.
func TestPayersShareAllKeys(t *testing.T) {
	s := startServer(t)
	cfg := Config{Keep: always, compareEvery: time.Millisecond, maxKeyShare: 3}
	e := open(t, s, cfg)
	here, there := budget.Addr(netip.MustParseAddr("192.0.2.1")), budget.Addr(netip.MustParseAddr("198.51.100.7"))
	say := func(payer budget.Owner, user string) error {
		m := said(user, "hello")
		m.Payer = payer
		return publish(t, e, "r", m).err
	}
	full := func() bool {
		_, ok := e.userKeys.Mark(here.String())
		return !ok
	}
	for i := range 3 {
		if err := say(here, fmt.Sprint("guest", i)); err != nil {
			t.Fatal(err)
		}
	}
	wstest.Eventually(t, "the keys are counted", full)
	for restart := range 2 {
		if err := say(here, "guest3"); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("a guest too many: %v", err)
		}
		for name, err := range map[string]error{"a guest with a key": say(here, "guest0"), "another address": say(there, fmt.Sprint("other", restart)), "the server": say(budget.Owner{}, fmt.Sprint("bot", restart))} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		e.Close()
		e = open(t, s, cfg)
		wstest.Eventually(t, "the keys are counted after a restart", full)
	}
}
