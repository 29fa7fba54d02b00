package netpoll

import (
	"errors"
	"testing"

	"webim/netpoll/wstest"

	"github.com/gobwas/ws"
)

// A record is used again at once; a handle to who had it reaches nobody.
func TestStaleHandle(t *testing.T) {
	messages := make(chan string, 10)
	s := serve(t, Config{Workers: 1}, &Funcs{OnMessage: func(_ Conn, _ ws.OpCode, data []byte) { messages <- string(data) }})
	old, end := join(t, s, 0)
	held := old.Later()
	old.Close(1000, "") // while it is held nobody would see its end
	end.Close()
	wstest.Eventually(t, "the first connection ends", func() bool { return s.slab.At(old.r.index).gen.Load() != old.gen && s.stats.open.Load() == 0 })
	c, end := join(t, s, 0)
	if c.r != old.r || c.ID() == old.ID() {
		t.Fatalf("the second connection has record %d, the first had %d; ids %x, %x", c.r.index, old.r.index, c.ID(), old.ID())
	}
	c.SetData("mine")
	c.SetTag(7)
	done := c.Later()
	frame1, _ := NewFrame(ws.OpText, []byte("stray"))
	log := s.NewLog(Plain)
	log.Append(ws.OpText, []byte("stray"))
	for what, err := range map[string]error{
		"Push": old.Push(ws.OpText, []byte("stray")), "PushFrame": old.PushFrame(frame1), "Ping": old.Ping(nil),
		"Close": old.Close(1000, ""), "Offer": s.Offer(old.ID(), log.Next(0)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s on a stale handle: %v", what, err)
		}
	}
	if _, ok := s.Conn(old.ID()); ok {
		t.Error("the old id is found")
	}
	if again, ok := s.Conn(c.ID()); !ok || again != c {
		t.Error("the new id is not found")
	}
	if _, ok := old.Info(); ok || old.Exists() || old.SetTag(1) || old.Tag() != 0 || old.SetData(1) || old.Data() != nil || old.FD() != -1 {
		t.Error("a stale handle answers")
	}
	old.Pause()
	old.Protect(true)
	old.Later()
	held() // must not let the second one go
	if f := c.r.flags.Load(); f&(fPaused|fProtected|fHeld) != fHeld {
		t.Errorf("a stale handle has changed the flags to %b", f)
	}
	done()
	if c.Data() != "mine" || c.Tag() != 7 || !c.Exists() {
		t.Error("a stale handle has touched the new connection")
	}
	end.Write(wstest.Frame(0x81, "hello"))
	if got := <-messages; got != "hello" {
		t.Errorf("the new connection says %q", got)
	}
	if err := c.Push(ws.OpText, []byte("mine")); err != nil {
		t.Error(err)
	}
	if got := nextFrame(t, end); string(got) != "\x81\x04mine" {
		t.Errorf("the new connection's client gets %q", got)
	}
}
