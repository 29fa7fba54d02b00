package enginetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"pgregory.net/rapid"

	"webim/netpoll/wstest"
)

// call starts a call of an engine, and waits for its done. A second call of done ends the process,
// because it may come after the test.
func call(t rapid.TB, method string, start func(done func())) {
	t.Helper()
	calls, ended := atomic.Int64{}, make(chan struct{})
	start(func() {
		if calls.Add(1) > 1 {
			panic(fmt.Sprintf("enginetest: the done of %s was called twice", method))
		}
		close(ended)
	})
	select {
	case <-ended:
		return
	default:
	}
	select {
	case <-ended:
	case <-time.After(wstest.Patience):
		t.Fatalf("%s is not done within %v", method, wstest.Patience)
	}
}

// eventually waits until check returns no error, and fails the test with its last one after wstest.Patience.
func eventually(t rapid.TB, check func() error) {
	t.Helper()
	err := check()
	if err == nil {
		return
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(wstest.Patience); err != nil; err = check() {
		if <-tick.C; time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", wstest.Patience, err)
		}
	}
}
