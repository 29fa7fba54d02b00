package attack

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// handshakeAttacks are the attacks before and around the upgrade.
func handshakeAttacks() []Attack {
	return []Attack{
		{Name: "slow-handshake", What: "Clients send the upgrade request a byte a second.", run: slowHandshake},
		{Name: "silent", What: "Clients connect and send nothing at all.", run: silent},
		{Name: "header-flood", What: "Clients send header lines without an end.", run: headerFlood},
		{Name: "idle-http", What: "Clients ask for a page and keep the connection open.", run: idleHTTP},
		{Name: "reset-storm", What: "Clients upgrade and cut the connection by RST, again and again.", run: resetStorm},
	}
}

// stalled waits until the server ends the connection, and counts the received bytes.
func (c *conn) stalled() error {
	n, err := io.Copy(io.Discard, c.Raw)
	c.a.received.Add(n)
	c.drop()
	if err == nil {
		err = io.EOF
	}
	return err
}

func slowHandshake(a *attacker) {
	request := a.target.Request(a.room, false)
	a.connecting(a.dial, func(_ int, c *conn) error {
		for at := range request {
			if _, err := c.Write(request[at : at+1]); err != nil {
				return err
			}
			if err := a.pause(time.Second); err != nil {
				return err
			}
		}
		return nil
	})
}

func silent(a *attacker) {
	a.connecting(a.dial, func(_ int, c *conn) error { return c.stalled() })
}

func headerFlood(a *attacker) {
	request, _ := bytes.CutSuffix(a.target.Request(a.room, false), []byte("\r\n"))
	lines := bytes.Repeat([]byte("X-Attack: "+string(bytes.Repeat([]byte{'a'}, 90))+"\r\n"), 160)
	a.connecting(a.dial, func(_ int, c *conn) error {
		_, err := c.Write(request)
		for err == nil {
			_, err = c.Write(lines)
		}
		return err
	})
}

func idleHTTP(a *attacker) {
	request := fmt.Appendf(nil, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive\r\n\r\n", a.target.Host())
	a.connecting(a.dial, func(_ int, c *conn) error {
		if _, err := c.Write(request); err != nil {
			return err
		}
		return c.stalled()
	})
}

func resetStorm(a *attacker) {
	request := a.target.Request(a.room, false)
	rounds := make([]int, a.o.Connections) // of each client; every second one cuts in the middle of the handshake
	open := func(i int) (*conn, error) {
		if rounds[i]++; (i+rounds[i])%2 == 0 {
			return a.dial(i)
		}
		return a.join(i)
	}
	a.connecting(open, func(i int, c *conn) error {
		if (i+rounds[i])%2 == 0 {
			if _, err := c.Write(request); err != nil {
				return err
			}
			return a.pause(5 * time.Millisecond)
		}
		c.drop()
		return a.pause(5 * time.Millisecond)
	})
}
