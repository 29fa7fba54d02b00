package notices

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
	"webim/room/engine"
)

// zero is the time on the clock of a queue.
const zero = 1

// waiting returns a queue in debt, and leaves that wait.
func waiting() (*Queue, *Delays) {
	q, d := new(Queue), new(Delays)
	q.Cost.Charge(Rate, 100*Rate.N, zero)
	q.Add(notice("+a"), 1, zero, nil)
	q.PresenceShown(zero)
	q.Add(notice("-c"), 1, zero, nil)
	q.shownUntil = 0
	q.Add(notice("+b"), 1, zero, nil)
	q.shownUntil = zero + 5
	d.Start(func() time.Duration { return time.Second }, nil, nil, func(time.Time, func()) {})
	who := engine.Author{User: "ann", Client: "a", ConnInfo: []byte(`1`), ChanInfo: []byte(`2`)}
	d.waitLocked(roomClient{"r", "a"}, &leave{engine.Notice{Left: true, Who: who}, time.Unix(1000, 5)})
	return q, d
}

func exported(q *Queue, d *Delays) []byte {
	var e snapshot.Encoder
	e.Message(1, func(e *snapshot.Encoder) { q.Export(e, zero) })
	e.Message(2, d.Export)
	return e.B
}

// imported reads what exported has written down. It calls the functions of the leaves at once if d.at is nil.
func imported(state []byte, tell func(string, engine.Notice)) (q *Queue, d *Delays, later []func(), err error) {
	q, d = new(Queue), new(Delays)
	d.Start(func() time.Duration { return time.Second }, tell, func(f func()) { f() }, func(_ time.Time, f func()) { later = append(later, f) })
	s := snapshot.Decode(state)
	for field := s.Next(); field != 0 && err == nil; field = s.Next() {
		switch field {
		case 1:
			err = q.Import(s.Message(), zero)
		case 2:
			err = d.Import(s.Message())
		}
	}
	if err == nil {
		err = s.Err()
	}
	return q, d, later, err
}

// TestMove checks that notices wait on in another process: a join that was not shown is forgotten with its leave, others are told
// in their order, and a client that comes back has never left.
func TestMove(t *testing.T) {
	var told []string
	tell := func(_ string, n engine.Notice) { told = append(told, textOf(n)) }
	q, d, later, err := imported(exported(waiting()), tell)
	if err != nil || d.Waiting() != 1 || len(later) != 1 || q.Next(zero) < Every {
		t.Fatalf("%v, %d leaves wait", err, d.Waiting())
	}
	q.Add(notice("-b"), 1, zero+10, nil)
	q.Add(notice("-a"), 1, zero+10, nil)
	q.Cost.SetFull(0)
	q.Flush(1, zero, func(n engine.Notice) int { told = append(told, textOf(n)); return 1 })
	if want := strings.Fields("+a -c -a"); !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	told = nil
	d.Notify("r", notice("+a"))
	later[0]()
	if len(told) > 0 {
		t.Errorf("of a client that has come back, the room is told %q", told)
	}
}

// TestGolden checks that this program reads and writes the state of each version that it knows.
func TestGolden(t *testing.T) {
	state := wstest.Golden(t, "v1", exported(waiting()))
	q, d, _, err := imported(state, nil)
	if err != nil || !bytes.Equal(exported(q, d), state) {
		t.Errorf("it is read as something else: %v", err)
	}
}

// FuzzImport checks that no state makes the reader panic, and that what it reads it can write.
func FuzzImport(f *testing.F) {
	f.Add(exported(waiting()))
	f.Fuzz(func(t *testing.T, state []byte) {
		q, d, _, err := imported(state, nil)
		if err != nil {
			return
		}
		if _, _, _, err := imported(exported(q, d), nil); err != nil {
			t.Error(err)
		}
	})
}
