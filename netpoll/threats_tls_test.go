package netpoll_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// Threats in how bytes come, over TLS.

// One deadline for TCP, TLS and the head of the request together: who says nothing,
// half a hello, a hello and no more, or half a head after a whole TLS handshake.
func TestThreatSlowlorisTLS(t *testing.T) {
	s, _ := start(t, netpoll.Config{HandshakeTimeout: 500 * time.Millisecond}, echo())
	addr := secure(t, s)
	var hello []byte
	tls.Client(sink{&hello}, &tls.Config{InsecureSkipVerify: true}).Handshake()
	var slow []*wstest.Client
	for _, first := range [][]byte{nil, hello[:1], hello[:len(hello)-1], hello} {
		c := wstest.Dial(t, addr)
		c.SendBytes(first)
		slow = append(slow, c)
	}
	for _, first := range [][]byte{nil, []byte("G"), wstest.Upgrade()[:100]} {
		p := wstest.DialTLS(t, addr, true)
		if len(first) > 0 {
			p.TrySend(first)
		}
		slow = append(slow, p)
	}
	trickle := wstest.Dial(t, addr)
	go func() { // a byte at a time puts nothing off
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for _, b := range hello[:len(hello)-1] {
			<-tick.C
			if _, err := trickle.Conn.Write([]byte{b}); err != nil {
				return
			}
		}
	}()
	for i, c := range append(slow, trickle) {
		c.ResetDeadline()
		if _, err := io.Copy(io.Discard, c.Conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("client %d is still connected", i)
		}
		c.Conn.Close()
	}
	wstest.Eventually(t, "all are counted", func() bool { return s.Stats().Closed[netpoll.HandshakeTimeout] == int64(len(slow)+1) })
}

// Frames behind the handshake, in the same records or others, and the end of the
// stream right behind them.
func TestThreatPipelinedTLS(t *testing.T) {
	s, _ := start(t, netpoll.Config{}, echo())
	addr := secure(t, s)
	head := wstest.Upgrade()
	all := append(append(bytes.Clone(head), wstest.Frame(text, "one")...), wstest.Frame(bin, "two")...)
	for _, cut := range []int{1, len(head) - 1, len(head), len(head) + 1, len(head) + 7, len(all) - 1, len(all)} {
		t.Run(fmt.Sprint("cut at ", cut), func(t *testing.T) {
			p := wstest.DialTLS(t, addr, true)
			p.TrySend(all[:cut])
			if cut < len(all) {
				p.TrySend(all[cut:])
			}
			p.HangUp()
			if r := p.Response(); r.StatusCode != 101 {
				t.Fatal(r.Status)
			}
			p.Expect(text, "one")
			p.Expect(bin, "two")
			p.Conn.Close()
		})
	}
}
