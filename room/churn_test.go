package room_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"webim/netpoll"
	"webim/netpoll/wstest"
	"webim/room"
)

// churn is a broadcast that goes on while clients come and go.
type churn struct {
	n           *node
	begun, done atomic.Int64 // the last message that was begun, and published
	window      chan struct{}
	last        atomic.Int64 // 0: goes on
}

// broadcast publishes until stop is closed, at most some messages ahead of the
// member that paces it.
func (ch *churn) broadcast(stop <-chan struct{}) error {
	for k := int64(1); ; k++ {
		select {
		case <-stop:
			return nil
		case ch.window <- struct{}{}:
		}
		ch.begun.Store(k)
		if err := ch.n.say("r", small.message(int(k))); err != nil {
			return err
		}
		ch.done.Store(k)
	}
}

// pace is a member that stays for all of it.
func (ch *churn) pace(c *client, r *run, leader bool) error {
	for ch.last.Load() == 0 || r.last < int(ch.last.Load()) {
		if err := r.follow(c, r.last+1); err != nil {
			return err
		}
		if leader {
			<-ch.window
		}
	}
	return r.spans(1, int(ch.last.Load()))
}

// visit is one client's stay: it joins, gets some messages, and leaves in one
// of the ways that clients do.
func (ch *churn) visit(rnd *rand.Rand) error {
	missed := ch.done.Load() // published before we came: never ours
	c, status, err := ch.n.dial(new(net.Dialer), "/r", variants(max(0, rnd.IntN(20)-17)))
	owed := ch.begun.Load() // what begins from here on is
	if err != nil || status != http.StatusSwitchingProtocols {
		return fmt.Errorf("joining: %d, %w", status, err)
	}
	defer c.Conn.Close()
	r := run{sizes: small}
	for range rnd.IntN(12) {
		if err := r.follow(c, r.last+1); err != nil {
			return err
		}
	}
	polite := false
	switch rnd.IntN(4) {
	case 0:
		polite = true
		if err := c.send(ws.OpClose, string(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))); err != nil {
			return err
		}
	case 1:
		c.Conn.(*net.TCPConn).CloseWrite()
	case 2:
		c.Conn.(*net.TCPConn).SetLinger(0)
		c.Conn.Close()
		return r.bounds(missed, owed)
	default:
		return r.bounds(missed, owed)
	}
	c.Wait()
	for {
		op, p, err := c.read()
		if err == io.EOF && !polite {
			break
		}
		if err != nil {
			return fmt.Errorf("leaving: %w", err)
		}
		if op == ws.OpClose && polite {
			break
		}
		if err := r.take(op, p); err != nil {
			return err
		}
	}
	return r.bounds(missed, owed)
}

// bounds: the run begins behind what was published before the client came, and
// no later than what was begun after it had joined.
func (r *run) bounds(missed, owed int64) error {
	if r.last > 0 && (r.first <= int(missed) || r.first > int(owed)+1) {
		return fmt.Errorf("the first message was %d, should lie between %d and %d", r.first, missed+1, owed+1)
	}
	return nil
}

// Hundreds of clients come and go during a broadcast, or with WEBIM_LONG=1 thousands: each gets a contiguous
// part of it, and those who stay get all.
func TestJoiningAndLeavingDuringBroadcast(t *testing.T) {
	clients, visits, stayers := 300, 3, 6
	if wstest.Long() {
		clients, visits, stayers = 3000, 10, 30
	}
	for _, c := range []netpoll.Config{{Workers: 1, Loops: 1}, {Workers: 2, Loops: 2}} {
		t.Run(fmt.Sprint(c.Workers, " workers"), func(t *testing.T) {
			n := start(t, room.Config{}, roomy(c))
			ch := &churn{n: n, window: make(chan struct{}, 32)}
			stay := n.joinAll(stayers, "/r", variants)
			errs := make(chan error, stayers+clients)
			var staying, visiting sync.WaitGroup
			for i, c := range stay {
				staying.Go(func() {
					if err := ch.pace(c, &run{sizes: small}, i == 0); err != nil {
						errs <- fmt.Errorf("stayer %d: %w", i, err)
						c.Conn.Close()
					}
				})
			}
			for i := range clients {
				visiting.Go(func() {
					rnd := rand.New(rand.NewPCG(1, uint64(i)))
					for k := range visits {
						if err := ch.visit(rnd); err != nil {
							errs <- fmt.Errorf("client %d, visit %d: %w", i, k, err)
							return
						}
					}
				})
			}
			stop, ended := make(chan struct{}), make(chan error, 1)
			go func() { ended <- ch.broadcast(stop) }()
			visiting.Wait()
			close(stop)
			err := <-ended
			// One more message tells those who stay that it was the last.
			last := ch.begun.Load() + 1
			ch.last.Store(last)
			go func() { ch.window <- struct{}{} }()
			err = errors.Join(err, n.say("r", small.message(int(last))))
			staying.Wait()
			close(errs)
			for e := range errs {
				err = errors.Join(err, e)
			}
			if err != nil {
				t.Fatal(err)
			}
			wstest.Eventually(t, "only those who stay are members", func() bool { return n.hub.Stats().Members == stayers })
			audit(t, n.room("r"))
			t.Logf("%d messages", last)
		})
	}
}

// audit sees that every place is either a member's or free.
func audit(t *testing.T, r *room.Room) {
	r.Mu().Lock()
	defer r.Mu().Unlock()
	r.ActivateLocked()
	for v, g := range r.Groups() {
		if g == nil {
			continue
		}
		taken := 0
		for i, sh := range g.Shards() {
			here := 0
			for _, p := range sh.Slots() {
				if p.Id() != 0 {
					here++
				}
			}
			if here+len(sh.Free()) != len(sh.Slots()) || len(sh.Slots()) > room.ShardLen {
				t.Errorf("variant %d, shard %d: %d taken and %d free of %d places", v, i, here, len(sh.Free()), len(sh.Slots()))
			}
			taken += here
		}
		if taken != g.Members() {
			t.Errorf("variant %d: %d places are taken by %d members", v, taken, g.Members())
		}
	}
}
