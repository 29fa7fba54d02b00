package benchtest

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
)

// listen opens a listener on a free port, over TLS if secure is not nil, and returns the URL of its path "/".
func listen(t testing.TB, secure *tls.Config) (ln net.Listener, url string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url = "ws://" + ln.Addr().String() + "/"
	if secure == nil {
		return ln, url
	}
	return tls.NewListener(ln, secure), "wss" + url[2:]
}

// accept serves each connection on a goroutine of its own, until the listener is closed. done counts the goroutines.
func accept(done *sync.WaitGroup, ln net.Listener, client func(net.Conn)) {
	done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			done.Go(func() { client(c) })
		}
	})
}
