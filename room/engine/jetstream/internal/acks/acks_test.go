package acks

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/natstest"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// TestSilent checks that a message without an answer ends before its time when the store has failed.
func TestSilent(t *testing.T) {
	nc := natstest.Connect(t, natstest.Start(t, t.TempDir()), nats.ReconnectBufSize(-1))
	came := make(chan *nats.Msg, 2)
	if _, err := nc.ChanSubscribe("log", came); err != nil { // a server that answers nothing
		t.Fatal(err)
	}
	var silent atomic.Bool
	p, err := New(nc, Config{Timeout: time.Hour, Silent: silent.Load})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ended := make(chan error, 2)
	for range 2 {
		p.Publish(Message{Subject: "log", Data: []byte("x"), Done: func(_ Ack, err error) { ended <- err }})
		<-came
	}
	p.expire(time.Now())
	if n := p.Pending(); n != 2 {
		t.Errorf("%d messages wait for an answer, want 2", n)
	}
	silent.Store(true)
	p.expire(time.Now())
	for range 2 {
		if err := <-ended; !errors.Is(err, ErrUnknown) {
			t.Errorf("ended with %v", err)
		}
	}
}
