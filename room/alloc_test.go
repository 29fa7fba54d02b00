package room_test

import (
	"io"
	"testing"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
	"webim/room/budget"
	"webim/room/engine"
	"webim/room/policy"
	"webim/room/wire"
)

// echo sends a frame and reads what comes back, n bytes.
func echo(t testing.TB, c *client, frame []byte, n int) (once func()) {
	buf := make([]byte, n)
	return func() {
		if _, err := c.Conn.Write(frame); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c.Reader, buf); err != nil {
			t.Error(err)
		}
	}
}

// masked is a frame as a client sends it.
func masked(op ws.OpCode, payload []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, true, payload)))
}

// TestPlainMessageAllocatesNothing: from read to write, history and rates included, a
// message of the plain dialect leaves no garbage.
func TestPlainMessageAllocatesNothing(t *testing.T) {
	for _, ext := range []string{noDeflate, deflate} {
		n := start(t, room.Config{Anonymous: true, Rates: policy.Rates{Send: budget.Rate{N: 1 << 30, Per: wstest.Patience}}, Options: policy.Patterns{
			{Match: "*", Options: policy.Options{History: engine.Retention{Messages: 100, Bytes: 1 << 20, Age: wstest.Patience}, Rights: policy.OpenRights()}}}.Options}, netpoll.Config{})
		c := n.join("/r", ext)
		text := make([]byte, 60)
		for i := range text {
			text[i] = 'a' + byte(i%26)
		}
		once := echo(t, c, masked(ws.OpText, text), 2+len(text))
		for range 300 { // until the history is full
			once()
		}
		if got := testing.AllocsPerRun(300, once); got > 0 && pools {
			t.Errorf("with %q: %v allocations a message", ext, got)
		}
	}
}

// skipFrames reads that many frames, and makes no garbage.
func skipFrames(c *client, count int) error {
	for range count {
		head, err := c.Reader.Peek(2)
		if err != nil {
			return err
		}
		n := 2 + int(head[1])
		if head[1] == 126 {
			if head, err = c.Reader.Peek(4); err != nil {
				return err
			}
			n = 4 + int(head[2])<<8 + int(head[3])
		}
		if _, err := c.Reader.Discard(n); err != nil {
			return err
		}
	}
	return nil
}

// TestSessionMessageAllocatesNothing: a publish of the centrifuge dialect, with its reply and its
// push, history and rates included, leaves no garbage.
func TestSessionMessageAllocatesNothing(t *testing.T) {
	for _, enc := range bothEncodings {
		n := start(t, room.Config{Anonymous: true, Rates: policy.Rates{Send: budget.Rate{N: 1 << 30, Per: wstest.Patience}}, Options: policy.Patterns{
			{Match: "*", Options: policy.Options{History: engine.Retention{Messages: 100, Bytes: 1 << 20, Age: wstest.Patience}, Rights: policy.OpenRights()}}}.Options}, netpoll.Config{})
		k := n.connect(enc)
		k.Subscribe(&protocol.SubscribeRequest{Channel: "r"})
		command := &protocol.Command{Id: 7, Publish: &protocol.PublishRequest{Channel: "r", Data: []byte(`{"text":"what is said here"}`)}}
		frame := masked(ws.OpText, command.AppendJSON(nil))
		if enc == wire.Protobuf {
			b, err := command.MarshalCF()
			if err != nil {
				t.Fatal(err)
			}
			frame = masked(ws.OpBinary, append([]byte{byte(len(b))}, b...))
		}
		once := func() {
			_, err := k.Conn.Write(frame)
			if err == nil {
				err = skipFrames(k.raw(), 2) // the reply and the push
			}
			if err != nil {
				t.Error(err)
			}
		}
		for range 300 {
			once()
		}
		if got := testing.AllocsPerRun(300, once); got > 0 && pools {
			t.Errorf("%v: %v allocations a message", enc, got)
		}
	}
}
