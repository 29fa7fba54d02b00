package room_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/protocol"
	"github.com/gobwas/ws"

	"webim/room"
	"webim/room/engine"
	"webim/room/engine/enginetest"
	"webim/room/engine/memory"
	"webim/room/internal/encode"
	"webim/room/policy"
	"webim/room/wire"
)

// news is a publication as a client sees it.
type news struct {
	offset uint64
	data   string
}

func newsOf(all []*protocol.Publication) (some []news) {
	for _, p := range all {
		some = append(some, news{p.Offset, string(p.Data)})
	}
	return some
}

// stay is one subscription of a client, from its reply to the cut.
type stay struct {
	since *engine.Position // it asked to recover from there
	at    engine.Position  // that the reply told
	again bool             // recovered, as the reply told
	reply []news
	live  []news // pushed behind the reply
}

// cutClient is a client that subscribes and is cut off again and again.
type cutClient struct {
	nodes []*node
	rnd   *rand.Rand
	k     *protocolClient
	stays []stay
	gaps  int // that it was told of
}

// last is where the client stands: what it gets takes it on from the place that
// the reply told.
func (s *stay) last() engine.Position {
	if got := slices.Concat(s.reply, s.live); len(got) > 0 {
		return engine.Position{Epoch: s.at.Epoch, Offset: got[len(got)-1].offset}
	}
	return s.at
}

// run makes some stays, and cuts the client off after each.
func (w *cutClient) run(stays int) error {
	for range stays {
		if err := w.subscribe(); err != nil {
			return fmt.Errorf("stay %d: %w", len(w.stays)+1, err)
		}
		if err := w.receive(w.rnd.IntN(25)); err != nil {
			return fmt.Errorf("stay %d: %w", len(w.stays), err)
		}
		w.cut()
	}
	return nil
}

// subscribe subscribes, on a new connection if the last was cut.
func (w *cutClient) subscribe() error {
	s := stay{}
	r := &protocol.SubscribeRequest{Channel: "r", Recoverable: true}
	if n := len(w.stays); n > 0 && w.rnd.IntN(20) > 0 {
		at := w.stays[n-1].last()
		s.since = &at
		r.Recover, r.Epoch, r.Offset = true, at.Epoch, at.Offset
	}
	if w.k == nil {
		extensions := variants(max(0, w.rnd.IntN(6)-3))
		k, err := dialProtocol(w.nodes[0].t, new(net.Dialer), w.nodes[w.rnd.IntN(len(w.nodes))].addr, bothEncodings[w.rnd.IntN(2)], extensions)
		if err != nil {
			return err
		}
		w.k = k
		if r, err := k.Try(&protocol.Command{Connect: &protocol.ConnectRequest{}}); err != nil || r.Connect == nil {
			return fmt.Errorf("connecting: %v, %w", r, err)
		}
	}
	defer w.k.Wait()()
	w.k.ID++
	if err := w.k.Say(&protocol.Command{Id: w.k.ID, Subscribe: r}); err != nil {
		return err
	}
	for { // what comes before the reply is of the stay before
		got, err := w.k.Next()
		switch {
		case err != nil:
			return fmt.Errorf("subscribing: %w", err)
		case got.Id != w.k.ID:
			continue
		case got.Subscribe == nil:
			return fmt.Errorf("subscribing: %v", got)
		}
		res := got.Subscribe
		s.at, s.again, s.reply = engine.Position{Epoch: res.Epoch, Offset: res.Offset}, res.Recovered, newsOf(res.Publications)
		if res.WasRecovering != (s.since != nil) || !res.Recoverable {
			return fmt.Errorf("subscribing, %v: %v", s.since, res)
		}
		w.stays = append(w.stays, s)
		return nil
	}
}

// receive reads some publications.
func (w *cutClient) receive(count int) error {
	s := &w.stays[len(w.stays)-1]
	for range count {
		r, err := w.k.Next()
		if err != nil {
			return fmt.Errorf("behind %v: %w", s.last(), err)
		}
		if r.Push != nil && r.Push.Unsubscribe.GetCode() == 2500 {
			w.gaps++ // it subscribes anew, as a library does
			return nil
		}
		if r.Push == nil || r.Push.Pub == nil {
			return fmt.Errorf("behind %v: %v", s.last(), r)
		}
		s.live = append(s.live, news{r.Push.Pub.Offset, string(r.Push.Pub.Data)})
	}
	return nil
}

// cut ends a stay in one of the ways in which they end.
func (w *cutClient) cut() {
	switch w.rnd.IntN(5) {
	case 0:
		w.k.Conn.(*net.TCPConn).SetLinger(0)
	case 1, 2: // it stays connected
		if w.k.Say(&protocol.Command{Id: 1 << 30, Unsubscribe: &protocol.UnsubscribeRequest{Channel: "r"}}) == nil {
			return
		}
	}
	w.k.Conn.Close()
	w.k = nil
}

// truth is what was published, in its order.
type truth struct {
	epoch string
	all   []news
	place map[uint64]int // of an offset; that of 0 is -1
}

func truthOf(epoch string, published []engine.Publication) *truth {
	tr := &truth{epoch: epoch, place: map[uint64]int{0: -1}}
	for i, p := range published {
		pub, _ := encode.Protocol(&p, wire.JSON)
		tr.all = append(tr.all, news{p.Offset, string(pub.Data)})
		tr.place[p.Offset] = i
	}
	return tr
}

// judge says what is wrong with what a client got: a gap, a double, an order
// that is another's, or a loss that it was not told of, or told without need.
func (tr *truth) judge(stays []stay, remembered int) error {
	for i, s := range stays {
		at, ok := tr.place[s.at.Offset]
		if !ok || s.at.Epoch != tr.epoch {
			return fmt.Errorf("stay %d begins at %v, which is no place", i, s.at)
		}
		if s.since != nil {
			from := tr.place[s.since.Offset]
			missed := tr.all[from+1:]
			switch {
			case !s.again && at-from <= remembered:
				return fmt.Errorf("stay %d: %d publications were missed, and not recovered", i, at-from)
			case !s.again && len(s.reply) > 0, s.again && s.at != *s.since,
				len(s.reply) > len(missed), !slices.Equal(s.reply, missed[:len(s.reply)]):
				return fmt.Errorf("stay %d recovers from %v, %v, and stands at %v with\n%v, want some of\n%v", i, s.since, s.again, s.at, s.reply, missed)
			}
			at += len(s.reply) // what it gets next is behind that
		} else if s.again || len(s.reply) > 0 {
			return fmt.Errorf("stay %d recovered unasked", i)
		}
		if rest := tr.all[at+1:]; len(s.live) > len(rest) || !slices.Equal(s.live, rest[:len(s.live)]) {
			return fmt.Errorf("stay %d begins at %v and gets\n%v", i, s.at, s.live)
		}
	}
	return nil
}

// chatter is what makes a room busy: clients of both encodings and, where
// nothing is lost, a plain client, each as fast as it is answered.
func chatter(t *testing.T, nodes []*node, lossy bool, stop <-chan struct{}) *sync.WaitGroup {
	var wg sync.WaitGroup
	over := func() bool {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	for i, enc := range bothEncodings {
		k := nodes[i%len(nodes)].connect(enc)
		wg.Go(func() {
			for j := 0; !over(); j++ {
				r, err := k.Try(&protocol.Command{Publish: &protocol.PublishRequest{Channel: "r", Data: fmt.Appendf(nil, `{"by":%d,"n":%d}`, i, j)}})
				if err != nil || r.Publish == nil && !r.Error.GetTemporary() {
					t.Errorf("publishing: %v, %v", r, err)
					return
				}
			}
		})
	}
	if lossy {
		return &wg
	}
	old := nodes[len(nodes)-1].join("/r", noDeflate)
	wg.Go(func() {
		for j := 0; !over(); j++ {
			mine := fmt.Sprint("plain ", j)
			if err := old.send(ws.OpText, mine); err != nil {
				t.Error(err)
				return
			}
			end := old.Wait()
			for got := ""; got != mine; {
				_, p, err := old.read()
				if err != nil {
					t.Error(err)
					return
				}
				got = string(p)
			}
			end()
		}
	})
	return &wg
}

// cuts runs cutClients while a room is busy. It returns the stays of each client, the number of gaps that
// the clients were told of, and what was published.
func cuts(t *testing.T, nodes []*node, memory *memory.Engine, lossy bool, count int, seed uint64) (stays [][]stay, gaps int, tr *truth) {
	t.Helper()
	heard := new(enginetest.Exclusive)
	memory.Subscribe("r", enginetest.NoPayer, heard)
	stop := make(chan struct{})
	talking := chatter(t, nodes, lossy, stop)
	const clients = 10
	all := make([]*cutClient, clients)
	var wg sync.WaitGroup
	for i := range all {
		w := &cutClient{nodes: nodes, rnd: rand.New(rand.NewPCG(seed, uint64(i)))}
		all[i] = w
		wg.Go(func() {
			if err := w.run(count/clients + 1); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
			if w.k != nil {
				w.k.Conn.Close()
			}
		})
	}
	wg.Wait()
	close(stop)
	talking.Wait()
	memory.Unsubscribe("r", heard)
	for _, w := range all {
		stays = append(stays, w.stays)
		gaps += w.gaps
	}
	return stays, gaps, truthOf(enginetest.History(t, memory, "r", engine.Span{}).Top.Epoch, heard.Got())
}

// remembered is little enough that some clients come too late.
const remembered = 60

func cutConfig(e engine.Engine) room.Config {
	return room.Config{Anonymous: true, Engine: e, PingInterval: 200 * time.Millisecond, PongTimeout: -1, Rates: policy.NoRates, UserRates: policy.NoRates, Options: policy.Patterns{
		{Match: "*", Options: policy.Options{Rights: policy.OpenRights(), History: engine.Retention{Messages: remembered, Bytes: 1 << 20, Age: time.Minute}, Recoverable: true, Presence: true, Notices: true}},
	}.Options}
}
