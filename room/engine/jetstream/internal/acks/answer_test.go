package acks

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestPlainAck checks which answers are read without encoding/json.
func TestPlainAck(t *testing.T) {
	for _, c := range []struct {
		answer string
		seq    uint64 // 0: it is not plain
	}{
		{`{"stream":"ROOMS_300","seq":5}`, 5},
		{`{"stream":"ROOMS_ever", "seq":18446744073709551615}`, 0},
		{`{"stream":"ROOMS_ever","seq":18446744073709551615}`, 1<<64 - 1},
		{`{"stream":"ROOMS_ever","seq":0}`, 0},
		{`{"stream":"ROOMS_ever","seq":-1}`, 0},
		{`{"stream":"ROOMS_ever","seq":18446744073709551616}`, 0},
		{`{"stream":"ROOMS_ever","seq":5,"duplicate":true}`, 0},
		{`{"stream":"ROOMS_ever","domain":"d","seq":5}`, 0},
		{`{"stream":"a\"b","seq":5}`, 0},
		{`{"error":{"code":503},"stream":"ROOMS_ever","seq":0}`, 0},
		{`{"stream":"ROOMS_ever","seq":5`, 0},
		{`{"stream":"ROOMS_ever"`, 0},
		{``, 0},
	} {
		if seq, ok := plainAck([]byte(c.answer)); ok != (c.seq > 0) || ok && seq != c.seq {
			t.Errorf("%s: %d, %v", c.answer, seq, ok)
		}
	}
}

// TestFull checks that each code of the server for a lack of space is known.
func TestFull(t *testing.T) {
	for code, full := range map[int]bool{10002: true, 10023: true, 10047: true, 10077: true, 10071: false} {
		_, err := parse(&nats.Msg{Data: fmt.Appendf(nil, `{"error":{"code":503,"err_code":%d,"description":"no"},"stream":"S","seq":0}`, code)})
		var refused *Refusal
		if !errors.As(err, &refused) || refused.IsFull() != full {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// FuzzParse checks that an answer which is read without encoding/json means the same to it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"stream":"ROOMS_300","seq":5}`, `{"stream":"ROOMS_300","seq":05}`, `{"stream":"` + "\xff\n" + `","seq":5}`, `{"stream":"a","seq":5,"seq":6}`, `{"error":{"code":503}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		seq, ok := plainAck(answer)
		var want Ack
		if err := json.Unmarshal(answer, &want); ok && (err != nil || want != Ack{Seq: seq}) {
			t.Errorf("%q: %d; encoding/json says %+v, %v", answer, seq, want, err)
		}
		if a, err := parse(&nats.Msg{Data: answer}); ok && (err != nil || a.Seq != seq) {
			t.Errorf("%q: %+v, %v", answer, a, err)
		}
	})
}
