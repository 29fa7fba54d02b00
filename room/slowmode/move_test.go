package slowmode

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room/budget"
	"webim/room/wire"
)

func exported(all *Table) []byte {
	var e snapshot.Encoder
	all.Export(&e)
	return e.B
}

// filled returns a table in which ann and bob have sent a message.
func filled(t testing.TB) *Table {
	all := new(Table)
	for i, user := range []string{"ann", "bob"} {
		if _, err := all.Pass(Key{"r", user}, budget.User(user), time.Hour, fmt.Sprint("id ", i)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Nanosecond)
	}
	return all
}

// TestMove checks that intervals, and the ids of messages, hold in another process.
func TestMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var empty, all Table
		if state := exported(&empty); len(state) > 0 {
			t.Errorf("an empty table has a state of %d bytes", len(state))
		}
		state := exported(filled(t))
		time.Sleep(time.Minute)
		if err := all.Import(snapshot.Decode(state)); err != nil {
			t.Fatal(err)
		}
		if _, err := all.Pass(Key{"r", "ann"}, budget.User("ann"), time.Hour, "other"); !errors.Is(err, wire.ErrSlowMode) {
			t.Errorf("ann need not wait: %v", err)
		}
		if _, err := all.Pass(Key{"r", "bob"}, budget.User("bob"), time.Hour, "id 1"); err != nil {
			t.Errorf("a retry: %v", err)
		}
		if err := all.Import(snapshot.Decode(state)); err == nil {
			t.Error("entries came twice")
		}
	})
}

// TestGolden checks that this program reads and writes the state of each version that it knows.
func TestGolden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its time begins at a fixed date
		state := wstest.Golden(t, "v1", exported(filled(t)))
		var all Table
		if err := all.Import(snapshot.Decode(state)); err != nil || !bytes.Equal(exported(&all), state) {
			t.Errorf("it is read as something else: %v", err)
		}
	})
}

// FuzzImport checks that no state makes the reader panic, and that what it reads it can write.
func FuzzImport(f *testing.F) {
	f.Add(exported(filled(f)))
	f.Fuzz(func(t *testing.T, state []byte) {
		var all, again Table
		if all.Import(snapshot.Decode(state)) != nil {
			return
		}
		if err := again.Import(snapshot.Decode(exported(&all))); err != nil || again.Len() > all.Len() {
			t.Errorf("%d entries of %d, %v", again.Len(), all.Len(), err)
		}
	})
}
