package inbox

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
)

// take calls Take and Rest until C is closed, as the goroutine of an engine does, and gives all messages to got.
func take(ctx context.Context, b *Inbox, got chan<- *nats.Msg) (ended bool) {
	defer close(got)
	for batch, ok := b.Take(nil); ok; batch, ok = b.Take(batch) {
		for _, m := range batch {
			isMark, ended := b.Rest(ctx, m)
			if ended {
				return true
			}
			if !isMark {
				got <- m
			}
		}
	}
	return false
}

// TestPauseComesAfterAllMessages checks that Pause returns when everything that came before was handled, that nothing is
// handled before Resume, and that the messages keep their order.
func TestPauseComesAfterAllMessages(t *testing.T) {
	b := New(3000)
	sent := make([]*nats.Msg, 2500) // more than a batch
	got := make(chan *nats.Msg, len(sent))
	for i := range sent {
		sent[i] = new(nats.Msg)
		if i < 2000 {
			b.C <- sent[i]
		}
	}
	ended := make(chan bool, 1)
	go func() { ended <- take(t.Context(), b, got) }()
	if err := b.Pause(t.Context()); err != nil || !b.IsPaused() || len(got) != 2000 {
		t.Fatal(err, b.IsPaused(), len(got))
	}
	for _, m := range sent[2000:] {
		b.C <- m
	}
	if len(got) != 2000 {
		t.Error("a message was handled in the pause")
	}
	b.Resume()
	b.Resume() // there is no pause any more
	close(b.C)
	i := 0
	for m := range got {
		if m != sent[i] {
			t.Fatalf("message %d has another place", i)
		}
		i++
	}
	if i != len(sent) || b.IsPaused() || <-ended {
		t.Error(i, b.IsPaused())
	}
}

// TestPauseThatIsGivenUp checks that a pause that nobody has waited for does no harm when its mark comes.
func TestPauseThatIsGivenUp(t *testing.T) {
	b := New(1)
	b.C <- new(nats.Msg)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Pause(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	b.Resume()
	got := make(chan *nats.Msg, 1)
	close(b.C)
	if take(t.Context(), b, got); len(got) != 1 {
		t.Error(len(got))
	}
}

// TestTakingEndsInAPause checks that the goroutine that rests ends with its context.
func TestTakingEndsInAPause(t *testing.T) {
	b := New(1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool, 1)
	go func() { ended <- take(ctx, b, make(chan *nats.Msg)) }()
	if err := b.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cancel(); !<-ended {
		t.Error("it goes on")
	}
}
