package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll/wstest"
)

// TestUpgradeHard upgrades a server of an ordinary user, whose table of descriptors is almost full, while one client in a hundred
// does not read, half of them are in the middle of a frame, and others come and go: both ways.
func TestUpgradeHard(t *testing.T) {
	t.Parallel()
	program := forNobody(t, build(t, false))
	for _, by := range []string{"spawn", "exec"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			testUpgradeHard(t, program, by)
		})
	}
}

func testUpgradeHard(t *testing.T, program, by string) {
	clients, rooms, times, coming, interval := 400, 4, 2, 4, 20*time.Millisecond
	if wstest.Long() {
		clients, rooms, times, coming, interval = 15_000, 150, 10, 16, 750*time.Millisecond
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	stuck := max(1, clients/100)
	const leaving = 4
	files := clients + rooms + stuck + 1 + leaving*coming + ownFiles // the server has room for no client more
	m := startMovingBy(t, asNobody(files), program, "--open", "--upgrade-by", by, "--engine", "memory", "--personal=false", "--ping-interval", "none", "--write-timeout", "10m", "--max-text", "none", "--max-graphemes", "none")
	m.inPlace = by == "exec"
	c := gather(t, m.addr, clients, rooms)
	defer c.end()
	behind := getStuck(t, m.addr, stuck)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	talking := c.talk(ctx, interval, seed)
	churning := churn(ctx, t, m.addr, coming)
	for i := range times {
		n := c.got.Load()
		wstest.Eventually(t, "everybody gets messages", func() bool { return c.got.Load() > n+int64(clients) })
		c.halves(random)
		line := m.upgrade()
		c.finishHalves()
		t.Logf("upgrade %d: %v clients, stall %v", i+1, line["clients"], time.Duration(line["stall"].(float64)))
		if got := int(line["clients"].(float64)); got < clients+rooms+stuck || line["stayed"].(float64) != 0 {
			t.Errorf("upgrade %d: %d clients have moved, and %v stayed", i+1, got, line["stayed"])
		}
	}
	cancel()
	talking.Wait()
	churning.Wait()
	c.check()
	m.checkSockets(clients + rooms + stuck + 1)
	// They read at the same time, because each waits for pauses of 200 ms between small windows. They read now: the longer a window
	// stays shut, the more seldom the kernel looks whether it is open.
	var reading sync.WaitGroup
	for _, one := range behind {
		reading.Go(one.readAll)
	}
	reading.Wait()
}

// A stuckClient reads nothing until readAll.
type stuckClient struct {
	t    *testing.T
	conn *wstest.Client
}

// stuckMessages messages of stuckSize are more than the buffers of the sockets hold, and less than a queue may have.
const (
	stuckMessages = 40
	stuckSize     = 20 << 10
)

func stuckText(i int) string { return fmt.Sprint(i, strings.Repeat("x", stuckSize)) }

// getStuck connects n clients that do not read, and sends them messages until the server has to keep some.
func getStuck(t *testing.T, addr string, n int) (all []*stuckClient) {
	t.Helper()
	for range n {
		conn := wstest.Dial(t, addr)
		if err := conn.TCP().SetReadBuffer(8 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.TryHandshake("/stuck"); err != nil {
			t.Fatal(err)
		}
		all = append(all, &stuckClient{t, conn})
	}
	sender := wstest.ConnectPath(t, addr, "/stuck")
	for i := range stuckMessages {
		sender.Send(0x81, stuckText(i))
		sender.Expect(0x81, stuckText(i))
	}
	return all
}

// readAll reads all messages. It may run beside the test's goroutine.
func (s *stuckClient) readAll() {
	for i := range stuckMessages {
		op, payload, err := s.conn.ReadMessage()
		if want := stuckText(i); err != nil || op != ws.OpText || string(payload) != want {
			s.t.Errorf("a client that was stuck got %x %.50q (%d bytes), %v; want %.50q", op, payload, len(payload), err, want)
			return
		}
	}
}

// churn makes n clients come, say something, and go, again and again until the context ends.
func churn(ctx context.Context, t *testing.T, addr string, n int) *sync.WaitGroup {
	var churning sync.WaitGroup
	for i := range n {
		churning.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				if err := visit(t, addr, strconv.Itoa(i)+" "+strconv.Itoa(k)); err != nil {
					t.Errorf("a client that comes and goes: %v", err)
					return
				}
			}
		})
	}
	return &churning
}

// visit is one client that hears itself say a text.
func visit(t *testing.T, addr, text string) error {
	conn, err := net.DialTimeout("tcp", addr, wstest.Patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := wstest.NewClient(t, conn)
	c.ResetDeadline()
	if r, err := c.TryHandshake("/churn"); err != nil {
		return err
	} else if r.StatusCode != 101 {
		return fmt.Errorf("handshake: %s", r.Status)
	}
	if err := c.TrySend(wstest.Frame(0x81, text)); err != nil {
		return err
	}
	for leaves := false; ; {
		op, payload, err := c.ReadMessage()
		switch {
		case err != nil:
			return err
		case op == ws.OpClose && leaves:
			return nil
		case op == ws.OpText && string(payload) == text:
			leaves = true
			if err := c.TrySend(wstest.Frame(0x88, wstest.ClosePayload(1000, ""))); err != nil {
				return err
			}
		}
	}
}
