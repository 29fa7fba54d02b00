package main

import (
	"testing"

	"github.com/centrifugal/protocol"

	"webim/netpoll/wstest"
)

// The settings of pings hold for both dialects: a client of the Centrifuge dialect learns the interval,
// and is closed when it does not answer.
func TestPingSettingsHoldForSessions(t *testing.T) {
	p := startProgram(t, "--dev", "--listen", "127.0.0.1:0", "--ping-interval", "200ms", "--pong-timeout", "5s")
	c := wstest.Dial(t, p.plain[0].String())
	session := c.Protocol("/connection/websocket", false)
	if res := session.Connect(&protocol.ConnectRequest{}); res.Ping != 1 || !res.Pong {
		t.Errorf("the client is told of pings every %d s, with pongs: %v; want 1, true", res.Ping, res.Pong)
	}
	c.Expect(0x81, "{}")
	c.ExpectClose(3012) // the client answers nothing
}
