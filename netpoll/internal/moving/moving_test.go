package moving

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll/internal/frame"
	"webim/netpoll/internal/output"
	"webim/netpoll/snapshot"
)

var update = flag.Bool("update", false, "write the golden file of the current version")

// full has a value in each field.
func full() *Conn {
	return &Conn{
		ID: 7<<32 | 5, Listener: 2, Addr: netip.MustParseAddrPort("[2001:db8::1]:4321"), Stage: Open, Flags: Opened | Closing | Last | Armed | High | Ready | Given, Heartbeat: 3,
		Begun: -1e9, Seen: -200, Sent: -100, Deadline: 25_000, Due: 30_000, Rest: 1000, Since: -4000,
		BytesIn: 1, BytesOut: 1 << 40, MessagesIn: 3, MessagesOut: 4,
		RoundTrip: 1500, HighWater: 77,
		Cause: "server closed", Code: 1000, Reason: "bye",
		Unread: []byte{0x81}, Scanned: 1, Lines: 4,
		Message: frame.State{Op: ws.OpText, Compressed: true, Fin: true, InFrame: true, Mask: 0xdeadbeef, MaskPos: 3, Left: 9, Fragments: 2, Body: []byte("hello"), Checked: 4},
		Kept:    frame.Event{Op: ws.OpBinary, Compressed: true, Data: []byte("again")},
		Output:  output.State{Refs: []output.Ref{ref(1), ref(2, 3)}, Cut: true, Pong: []byte{0x8a, 0}, Exempt: 12},
		Data:    []byte("data"),
	}
}

func ref(b ...byte) output.Ref { return output.Ref{Buf: output.NewBuffer(b), B: b} }

func appended(c *Conn) []byte {
	var e snapshot.Encoder
	c.append(&e, nil)
	return e.B
}

// same reports whether two connections are equal, whatever buffers have their output.
func same(a, b *Conn) bool {
	x, y := *a, *b
	x.Output.Refs, y.Output.Refs = nil, nil
	return reflect.DeepEqual(&x, &y) && slices.EqualFunc(a.Output.Refs, b.Output.Refs, func(r, s output.Ref) bool { return bytes.Equal(r.B, s.B) })
}

// TestRoundTrip checks that a connection is read as it was written, with each field and with none.
func TestRoundTrip(t *testing.T) {
	for _, c := range []*Conn{full(), {ID: 1<<32 | 0, Stage: Head}} {
		b := appended(c)
		got, err := parse(b)
		if err != nil || !same(got, c) {
			t.Errorf("%+v, %v\nwant %+v", got, err, c)
		}
		got.Data = bytes.Clone(got.Data)
		clear(b)
		if err == nil && !same(got, c) {
			t.Error("the result uses the bytes that it was read from")
		}
	}
	fields := reflect.ValueOf(*full())
	for i := range fields.NumField() {
		if fields.Field(i).IsZero() {
			t.Errorf("the test does not set %s", fields.Type().Field(i).Name)
		}
	}
}

func fullServer() Server {
	return Server{Listeners: []Listener{{"unix", "/run/s", true}, {}}, Generations: []uint32{0, 5, 1<<32 - 1},
		Flights: []Flight{{7<<32 | 1, []Event{{1, 2, 3, 4, 5}, {1<<32 - 1, 1<<32 - 1, 1<<16 - 1, 255, 255}}}, {}}}
}

// TestServerRoundTrip checks that a server is read as it was written, and that garbage is an error.
func TestServerRoundTrip(t *testing.T) {
	for _, want := range []Server{fullServer(), {}} {
		var e snapshot.Encoder
		want.Append(&e)
		if got, err := ParseServer(e.B); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	for _, bad := range [][]byte{{1 << 3, 1}, {1<<3 | 2, 2, 1 << 3, 1}, {2 << 3}, {3<<3 | 2, 3, 2<<3 | 2, 1, 0}} {
		if _, err := ParseServer(bad); err == nil {
			t.Errorf("% x: accepted", bad)
		}
	}
}

// TestGolden checks that this program reads and writes the connections of each version that it knows.
func TestGolden(t *testing.T) {
	if *update {
		if err := os.WriteFile("testdata/v1.golden", golden(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if snapshot.Version != 1 {
		t.Fatal("add a golden file for the new version, and keep the old one")
	}
	b, err := os.ReadFile("testdata/v1.golden")
	if err != nil || !bytes.Equal(golden(), b) {
		t.Fatalf("%v: this program writes another format", err)
	}
	d := snapshot.Decode(b)
	d.Next()
	server, err := ParseServer(d.Bytes())
	if err != nil || !reflect.DeepEqual(server, fullServer()) {
		t.Errorf("%+v, %v", server, err)
	}
	d.Next()
	var r Reader
	if all, err := r.Parse(d.Bytes()); err != nil || len(all) != 2 || !same(&all[0], full()) {
		t.Errorf("%+v, %v", all, err)
	}
}

// golden returns a server with two connections.
func golden() []byte {
	var e snapshot.Encoder
	server := fullServer()
	e.Message(1, server.Append)
	var w Writer
	w.Conn(full())
	w.Conn(&Conn{ID: 1 << 32, Stage: Head, Unread: []byte("GET /")})
	e.Bytes(2, w.Part())
	return e.B
}

// sharing returns connections that wait for stretches of one buffer, and for one of their own.
func sharing(t testing.TB) []*Conn {
	var total output.Total
	total.SetLimit(1 << 20)
	b := output.NewBuffer([]byte("one two three"))
	var all []*Conn
	for i, stretch := range [][]byte{b.B, b.B[4:], b.B[4:7]} {
		q := output.New(&total)
		own := ref(byte(i))
		q.Append(own.Buf, own.B)
		q.Append(b, stretch)
		t.Cleanup(func() { q.Drop(false) })
		c := full()
		c.ID, c.Output = uint64(1<<32+i), q.State()
		all = append(all, c)
	}
	return all
}

// TestShared checks that a buffer which several connections wait for is written once, also in several parts, is one buffer again,
// and that a reader which knows no shared buffers gets the same bytes.
func TestShared(t *testing.T) {
	for _, shares := range []bool{true, false} {
		w, r := Writer{Shares: shares}, Reader{}
		var got []Conn
		var text []byte
		all := sharing(t)
		for _, c := range all {
			w.Reset()
			w.Conn(c)
			text = append(text, w.Part()...)
			part, err := r.Parse(w.Part())
			if err != nil {
				t.Fatal(err)
			}
			part[0].Data = bytes.Clone(part[0].Data)
			got = append(got, part...)
		}
		buffers := map[*output.Buffer]bool{}
		for i := range got {
			if !same(&got[i], all[i]) {
				t.Errorf("shares %v: %+v was read as %+v", shares, all[i], got[i])
			}
			buffers[got[i].Output.Refs[1].Buf] = true
		}
		if n := bytes.Count(text, []byte("two")); shares && (n != 1 || len(buffers) != 1) || !shares && n != 3 {
			t.Errorf("shares %v: the buffer was written %d times, and is %d buffers", shares, n, len(buffers))
		}
	}
}

// TestSharedImpossible checks that a stretch of a shared buffer lies inside one that was written before.
func TestSharedImpossible(t *testing.T) {
	for name, c := range map[string][3]uint64{"none": {}, "not written": {2, 0, 1}, "behind the end": {1, 4, 1}, "too long": {1, 1, 3}, "empty": {1, 1, 0}, "around": {1, 3, 1<<64 - 3}} {
		var e, in snapshot.Encoder
		e.Item(fieldBuffer, []byte("abc"))
		full := appended(&Conn{ID: 1 << 32, Stage: Open, Flags: Opened})
		in.Message(44, func(e *snapshot.Encoder) { e.Uint(1, c[0]); e.Uint(2, c[1]); e.Uint(3, c[2]) })
		e.Item(fieldConn, append(full, in.B...))
		var r Reader
		if _, err := r.Parse(e.B); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestImpossible checks that a connection which cannot be is refused.
func TestImpossible(t *testing.T) {
	for name, change := range map[string]func(*Conn){
		"no id":                    func(c *Conn) { c.ID = 0 },
		"no stage":                 func(c *Conn) { c.Stage = 0 },
		"an unknown stage":         func(c *Conn) { c.Stage = 9 },
		"open and not opened":      func(c *Conn) { c.Flags &^= Opened },
		"a head that is open":      func(c *Conn) { c.Stage = Head },
		"a drain that is open":     func(c *Conn) { c.Stage, c.Flags, c.Cause = Drain, Opened, "" },
		"last and not closing":     func(c *Conn) { c.Flags, c.Cause = Opened|Last, "" },
		"closing without a cause":  func(c *Conn) { c.Cause = "" },
		"a cause without closing":  func(c *Conn) { c.Flags = Opened },
		"a kept ping":              func(c *Conn) { c.Kept.Op = ws.OpPing },
		"more searched than there": func(c *Conn) { c.Scanned = 2 },
		"a long pong":              func(c *Conn) { c.Output.Pong = make([]byte, 200) },
		"an empty frame":           func(c *Conn) { c.Output.Refs = []output.Ref{ref()} },
		"a wrong opcode":           func(c *Conn) { c.Message.Op = ws.OpClose },
		"more checked than there":  func(c *Conn) { c.Message.Checked = 6 },
		"a rest without a frame":   func(c *Conn) { c.Message.InFrame = false },
		"a mask of five bytes":     func(c *Conn) { c.Message.MaskPos = 4 },
		"too many bytes to come":   func(c *Conn) { c.Message.Left = 1 << 40 },
		"a body of no message":     func(c *Conn) { c.Message = frame.State{Body: []byte("x")} },
		"a listener too many":      func(c *Conn) { c.Listener = 256 },
	} {
		c := full()
		change(c)
		if _, err := parse(appended(c)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := parse([]byte{3<<3 | 2, 1, 'x', 1 << 3, 1}); err == nil {
		t.Error("an address x: accepted")
	}
}

// FuzzParse checks that no bytes make Parse panic, and that a connection that is accepted is written as it was read.
func FuzzParse(f *testing.F) {
	f.Add(appended(full()))
	f.Add(appended(&Conn{ID: 1 << 32, Stage: Head, Unread: []byte("GET /")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b)
		if err != nil {
			return
		}
		dec, err := c.Message.Decoder()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // a decoder in any state takes any bytes
			if _, n, err := dec.Next(bytes.Clone(b), frame.Limits{MaxMessage: 1000, MaxFragments: 10}); n == 0 || err != nil {
				break
			}
		}
		again, err := parse(appended(c))
		if err != nil || !bytes.Equal(appended(again), appended(c)) {
			t.Errorf("%+v was read again as %+v, %v", c, again, err)
		}
	})
}

func parse(b []byte) (*Conn, error) {
	c := new(Conn)
	return c, c.parse(b, nil)
}

// FuzzReader checks that no bytes make Parse panic.
func FuzzReader(f *testing.F) {
	w := Writer{Shares: true}
	for _, c := range sharing(f) {
		w.Conn(c)
	}
	f.Add(w.Part())
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Reader
		for range 2 {
			_, _ = r.Parse(b)
		}
	})
}
