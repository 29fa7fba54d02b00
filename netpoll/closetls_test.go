package netpoll_test

import (
	"context"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// TestCloseTLS checks that CloseTLS closes the clients over TLS with 1001 and waits for their end, or for that of its context, and
// that others and later ones stay.
func TestCloseTLS(t *testing.T) {
	s, addr := start(t, netpoll.Config{CloseTimeout: time.Hour}, echo())
	secured := secure(t, s)
	plain := wstest.Connect(t, addr)
	connect := func() *wstest.Client {
		c := wstest.DialTLS(t, secured, true)
		c.TrySend(wstest.Upgrade())
		c.Response()
		return c
	}
	first, second := connect(), connect()
	ended := make(chan error, 1)
	go func() { ended <- s.CloseTLS(t.Context(), 20*time.Millisecond) }()
	for _, c := range []*wstest.Client{first, second} {
		c.ExpectClose(1001)
		c.TrySend(wstest.Frame(closeOp, "\x03\xe9"))
		c.ExpectEOF()
		c.Conn.Close()
	}
	if err := receive(t, "the end of CloseTLS", ended); err != nil {
		t.Error(err)
	}
	silent := connect()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- s.CloseTLS(ctx, 0) }()
	silent.ExpectClose(1001) // and it does not answer
	cancel()
	if err := receive(t, "the end of CloseTLS", ended); err != context.Canceled {
		t.Errorf("after the end of its context: %v", err)
	}
	silent.Conn.Close()
	for _, c := range []*wstest.Client{plain, connect()} {
		c.TrySend(wstest.Frame(text, "still here"))
		c.Expect(text, "still here")
	}
}
