package netpoll_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"webim/netpoll"
	"webim/netpoll/wstest"
)

// A request, an upgrade and as many frames as fit behind it, all sent before
// the first answer: net/http gets more than it reads, and nothing of it is
// lost on the way back.
func TestUpgradePipelined(t *testing.T) {
	for _, secured := range []bool{false, true} {
		for _, size := range []int{1000, 60_000, 65_000, 200_000} {
			t.Run(fmt.Sprintf("TLS %v, %d bytes", secured, size), func(t *testing.T) {
				s, addr := start(t, netpoll.Config{HTTP: hello}, echo())
				if secured {
					addr = secure(t, s)
				}
				p := wstest.DialTLS(t, addr, secured)
				b := append([]byte(getHello), wstest.Upgrade()...)
				n := 0
				for ; len(b) < size; n++ {
					b = append(b, wstest.Frame(text, fmt.Sprint(n, strings.Repeat("x", 100)))...)
				}
				go p.TrySend(b)
				if r := p.Response(); r.StatusCode != http.StatusOK {
					t.Fatal(r.Status)
				}
				if r := p.Response(); r.StatusCode != http.StatusSwitchingProtocols {
					t.Fatal(r.Status)
				}
				for i := range n {
					p.Expect(text, fmt.Sprint(i, strings.Repeat("x", 100)))
				}
				p.Conn.Close()
			})
		}
	}
}
