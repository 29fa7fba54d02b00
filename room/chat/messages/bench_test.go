package messages

import (
	"fmt"
	"testing"

	"webim/room/chat/store"
	"webim/room/engine"
	"webim/room/engine/memory"
)

// BenchmarkReactions reads and groups the reactions of a page of 50 messages with 20 each.
// call.HasRead charges the cost of one entry.
func BenchmarkReactions(b *testing.B) {
	e := memory.New(memory.Limits{})
	const messages, each = 50, 20
	for i := range messages * each {
		k := ReactionID{"lobby", Ref{Offset: uint64(i%messages + 1)}, []string{"👍", "🎉", "❤"}[i%3], fmt.Sprint("user u", i)}.Key()
		e.Put(engine.Entry{Key: k, Value: fmt.Append(nil, i)}, func(_ uint64, err error) {
			if err != nil {
				b.Fatal(err)
			}
		})
	}
	page := make([]*Message, messages)
	for i := range page {
		page[i] = &Message{Offset: uint64(i + 1), ref: Ref{Offset: uint64(i + 1)}}
	}
	b.ReportAllocs()
	for b.Loop() {
		all, err := reactionsOf(b.Context(), store.New(e), "lobby", 1, messages, maxListed)
		if err != nil || len(all) != messages*each {
			b.Fatal(len(all), err)
		}
		sumAll(all, page)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages*each), "ns/entry")
}
