package netpoll_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"webim/netpoll"
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
				p := dialPeer(t, addr, secured)
				b := append([]byte(getHello), upgrade()...)
				n := 0
				for ; len(b) < size; n++ {
					b = append(b, frame(text, fmt.Sprint(n, strings.Repeat("x", 100)))...)
				}
				go p.say(b)
				if r := p.response(); r.StatusCode != http.StatusOK {
					t.Fatal(r.Status)
				}
				if r := p.response(); r.StatusCode != http.StatusSwitchingProtocols {
					t.Fatal(r.Status)
				}
				for i := range n {
					p.expect(text, fmt.Sprint(i, strings.Repeat("x", 100)))
				}
				p.c.Close()
			})
		}
	}
}
