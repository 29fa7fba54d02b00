package jetstream

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/gobwas/ws"

	"webim/room/budget"
	"webim/room/engine"
	"webim/room/engine/jetstream/internal/acks"
	"webim/room/engine/jetstream/internal/ids"
)

// BenchmarkMemory reports the heap of the process, with the NATS server in it, for each of b.N ids and rooms: an id
// that only the store remembers, or also this node, and a room in the store, and with a member.
func BenchmarkMemory(b *testing.B) {
	e := open(b, startServer(b), Config{Keep: always, MaxKeys: 1 << 24})
	slots := make(chan struct{}, 2000)
	all := func(each func(i int, done func(error))) { // runs each for all numbers, and waits for the answers
		for i := range b.N {
			slots <- struct{}{}
			each(i, func(err error) {
				if err != nil {
					b.Error(err)
				}
				<-slots
			})
		}
		for range cap(slots) {
			slots <- struct{}{}
		}
		for range cap(slots) {
			<-slots
		}
	}
	send := func(room, key string, done func(error)) {
		m := engine.Message{Op: ws.OpText, Data: make([]byte, 128), From: &engine.Author{User: "anna", Client: "0123456789abcdef"}, Key: key}
		e.Publish(room, m, func(_ engine.Position, err error) { done(err) })
	}
	all(func(_ int, done func(error)) { send("warm", "", done) })
	was := heap()
	report := func(name string) {
		is := heap()
		b.ReportMetric(float64(is-was)/float64(b.N), name)
		was = is
	}
	class := e.class("warm")
	all(func(i int, done func(error)) {
		header := ids.Of("warm", fmt.Sprint("store", i)).Header()
		e.acks.Publish(acks.Message{Subject: class.Room("warm"), Header: header, Done: func(_ acks.Ack, err error) { done(err) }})
	})
	report("B/id-in-store")
	all(func(i int, done func(error)) { send("warm", strconv.Itoa(i), done) })
	report("B/id")
	all(func(i int, done func(error)) { send(strconv.Itoa(i), "", done) })
	report("B/room")
	var c counter
	all(func(i int, done func(error)) {
		room := strconv.Itoa(i)
		e.Subscribe(room, budget.Owner{}, &c)
		e.History(room, engine.Span{}, func(_ engine.History, err error) { done(err) })
	})
	report("B/room-with-member")
	b.ReportMetric(0, "ns/op") // the time of all these says nothing
}

// heap returns the bytes of the heap that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one has only put aside
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
