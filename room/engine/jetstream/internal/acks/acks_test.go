package acks

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"webim/netpoll/wstest"
	"webim/room/engine/jetstream/embedded"
)

func TestMain(m *testing.M) { wstest.Main(m) }

// TestSilent checks that a message without an answer ends before its time when the store has failed.
func TestSilent(t *testing.T) {
	s, err := embedded.Start(embedded.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	nc, err := s.Connect(nats.ReconnectBufSize(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
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
