package netpoll

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
)

// A closeRow is a row of the table in close.go.
type closeRow struct {
	name             string
	flags, flagsMask uint32
	w, wMask         uint8
}

// closeTable reads the table in close.go.
func closeTable(t *testing.T) (rows []closeRow) {
	t.Helper()
	source, err := os.ReadFile("close.go")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^//\t(\w+(?: \w+)*) +([01.]) ([01.]) ([01.])  ([01.]) ([01.]) ([01.])  `)
	for _, m := range line.FindAllStringSubmatch(string(source), -1) {
		row := closeRow{name: m[1]}
		for i, bit := range []uint32{fClosing, fLast, fAbort} {
			switch m[2+i] {
			case "1":
				row.flags |= bit
				fallthrough
			case "0":
				row.flagsMask |= bit
			}
		}
		for i, bit := range []uint8{wClosing, wShut, wDead} {
			switch m[5+i] {
			case "1":
				row.w |= bit
				fallthrough
			case "0":
				row.wMask |= bit
			}
		}
		rows = append(rows, row)
	}
	if len(rows) != 8 {
		t.Fatalf("close.go has %d rows", len(rows))
	}
	return rows
}

// find returns the index of the only row that a combination matches; -1: there is none.
func find(t *testing.T, rows []closeRow, f uint32, w uint8) int {
	found := -1
	for i, row := range rows {
		if f&row.flagsMask == row.flags && w&row.wMask == row.w {
			if found >= 0 {
				t.Errorf("flags %b, bits %b: %s and %s", f, w, rows[found].name, row.name)
			}
			found = i
		}
	}
	return found
}

// No combination of the bits stands in two rows.
func TestCloseTableHasNoOverlap(t *testing.T) {
	rows := closeTable(t)
	for n := range 64 {
		var f uint32
		var w uint8
		for i, bit := range []uint32{fClosing, fLast, fAbort} {
			f |= bit * uint32(n>>i&1)
		}
		for i, bit := range []uint8{wClosing, wShut, wDead} {
			w |= bit * uint8(n>>(3+i)&1)
		}
		find(t, rows, f, w)
	}
}

// Connections that end in every way are seen only in states of the table, and change only downwards.
func TestCloseStates(t *testing.T) {
	rows := closeTable(t)
	s := serve(t, Config{CloseTimeout: 100 * time.Millisecond, MaxQueue: 100_000}, &Funcs{OnMessage: func(c Conn, _ ws.OpCode, data []byte) {
		if string(data) == "panic" {
			panic("on purpose")
		}
	}})
	rounds := 5
	if wstest.Long() {
		rounds = 50
	}
	seen := map[string]bool{}
	for _, end := range []struct {
		name string
		f    func(c Conn, end *peerEnd)
	}{
		{"the server closes, the client answers", func(c Conn, end *peerEnd) {
			c.Close(1000, "")
			nextFrame(t, end)
			end.Write(wstest.Frame(0x88, wstest.ClosePayload(1000, "")))
		}},
		{"the server closes, the client does not answer", func(c Conn, end *peerEnd) { c.Close(1000, "") }},
		{"the client closes", func(c Conn, end *peerEnd) { end.Write(wstest.Frame(0x88, "")) }},
		{"the client is gone", func(c Conn, end *peerEnd) { end.Close() }},
		{"the client breaks the protocol", func(c Conn, end *peerEnd) { end.Write(wstest.Frame(0x83, "")) }},
		{"the handler panics", func(c Conn, end *peerEnd) { end.Write(wstest.Frame(0x81, "panic")) }},
		{"the client is slow", func(c Conn, end *peerEnd) {
			for c.Push(ws.OpBinary, make([]byte, 10_000)) == nil {
			}
		}},
		{"a write fails", func(c Conn, end *peerEnd) {
			c.Pause() // so that the turn does not see the end first
			end.Close()
			c.Push(ws.OpText, []byte("to nobody"))
			wstest.Eventually(t, "the write fails", c.Lost)
			c.Resume()
		}},
	} {
		for range rounds {
			c, client := join(t, s, 4096)
			stop := make(chan struct{})
			var watcher sync.WaitGroup
			watcher.Go(func() {
				last := 0
				for {
					if !c.lock() {
						return
					}
					f, w := c.r.flags.Load(), c.r.w
					c.r.mu.Unlock()
					at := find(t, rows, f, w)
					if at < 0 || at < last {
						t.Errorf("%s: flags %b, bits %b, behind %s", end.name, f&(fClosing|fLast|fAbort), w, rows[last].name)
						return
					}
					seen[rows[at].name], last = true, at
					select {
					case <-stop:
						return
					default:
					}
				}
			})
			end.f(c, client)
			wstest.Eventually(t, end.name+": the connection is gone", func() bool { return !c.known() })
			close(stop)
			watcher.Wait()
			client.Close()
		}
	}
	if got := slices.Sorted(maps.Keys(seen)); len(got) < 4 {
		t.Errorf("only %s were seen", fmt.Sprint(got))
	}
}

// known reports whether the record is still the connection's.
func (c Conn) known() bool {
	if !c.lock() {
		return false
	}
	c.r.mu.Unlock()
	return true
}
