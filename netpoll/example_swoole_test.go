package netpoll_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gobwas/ws"

	"webim/netpoll"
)

// One example for each method and event of Swoole's WebSocket\Server.

// serving starts a server on a free port of this machine.
func serving(cfg netpoll.Config, f *netpoll.Funcs) (*netpoll.Server, net.Addr) {
	s := netpoll.New(cfg, f)
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		panic(err)
	}
	return s, addr
}

// Swoole's request event: Config.HTTP answers the requests that are no upgrades.
func ExampleConfig_request() {
	s, addr := serving(netpoll.Config{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("asked for", r.URL.Path)
		fmt.Fprint(w, "a page")
	})}, nil)
	answer, err := http.Get("http://" + addr.String() + "/index.html")
	if err != nil {
		panic(err)
	}
	answer.Body.Close()
	fmt.Println(answer.Status)
	http.DefaultClient.CloseIdleConnections()
	s.Shutdown(context.Background(), 0)
	// Output:
	// asked for /index.html
	// 200 OK
}

// Swoole's handshake event: refuse an upgrade, or give its connection a value.
func ExampleHandshaker() {
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnHandshake: func(r *netpoll.Request) {
			if r.Header("Authorization") == "" {
				r.Refuse(http.StatusUnauthorized, "who are you?")
				return
			}
			r.SetData("ann")
		},
	})
	fmt.Println(talk(addr, "hello"))
	s.Shutdown(context.Background(), 0)
	// Output: unexpected HTTP response status: 401
}

// Swoole's disconnect: close a connection with a code and a reason.
func ExampleConn_Close() {
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { c.Close(4000, "not here") },
	})
	fmt.Println(talk(addr, "hello"))
	s.Shutdown(context.Background(), 0)
	// Output: ws closed: 4000 not here
}

// Swoole's exist and isEstablished: a connection that is kept for later may have ended.
func ExampleConn_Exists() {
	opened := make(chan netpoll.Conn, 1)
	closed := make(chan bool, 1)
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnOpen:    func(c netpoll.Conn, _ *netpoll.Request) { opened <- c },
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { c.Push(op, fmt.Append(nil, c.Exists())) },
		OnClose:   func(netpoll.Conn, netpoll.Closed) { closed <- true },
	})
	fmt.Println(talk(addr, "am I there?"))
	<-closed
	fmt.Println((<-opened).Exists())
	s.Shutdown(context.Background(), 0)
	// Output:
	// true
	// false
}

// Swoole's getClientInfo.
func ExampleConn_Info() {
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
			info, _ := c.Info()
			c.Push(op, fmt.Appendf(nil, "%v, %d message", info.Remote.Addr(), info.MessagesIn))
		},
	})
	fmt.Println(talk(addr, "who am I?"))
	s.Shutdown(context.Background(), 0)
	// Output: 127.0.0.1, 1 message
}

// Swoole's connections: every connection of the server, whichever worker handles it.
func ExampleServer_Conns() {
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
			n := 0
			for range c.Server().Conns() {
				n++
			}
			c.Push(op, fmt.Append(nil, n, " connection"))
		},
	})
	fmt.Println(talk(addr, "how many are we?"))
	s.Shutdown(context.Background(), 0)
	// Output: 1 connection
}

// Swoole's tick: call a function again and again, until the timer is stopped.
func ExampleServer_Tick() {
	s := netpoll.New(netpoll.Config{}, nil)
	ticks := make(chan int, 1000)
	n := 0
	timer := s.Tick(10*time.Millisecond, func() { n++; ticks <- n })
	fmt.Println(<-ticks, <-ticks)
	timer.Stop()
	s.Shutdown(context.Background(), 0)
	// Output: 1 2
}

// Swoole's after: call a function once.
func ExampleServer_After() {
	s := netpoll.New(netpoll.Config{}, nil)
	done := make(chan bool)
	s.After(10*time.Millisecond, func() { done <- true })
	<-done
	fmt.Println("later")
	s.Shutdown(context.Background(), 0)
	// Output: later
}

// Swoole's stats.
func ExampleServer_Stats() {
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { c.Push(op, data) },
	})
	talk(addr, "hello")
	s.Shutdown(context.Background(), 0)
	st := s.Stats()
	fmt.Println(st.Opened, "opened,", st.MessagesIn, "in,", st.MessagesOut, "out")
	// Output: 1 opened, 1 in, 1 out
}

// Swoole's listen: a server with several listeners, each with a handler of its own.
func ExampleServer_Listen() {
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { c.Push(op, []byte("outside")) },
	})
	inside, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0", Handler: &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { c.Push(op, []byte("inside")) },
	}})
	if err != nil {
		panic(err)
	}
	fmt.Println(talk(addr, "where am I?"), talk(inside, "where am I?"))
	s.Shutdown(context.Background(), 0)
	// Output: outside inside
}

// Swoole's pause and resume: read no further message until a slow task is done. The task runs on a
// goroutine of its own, because callbacks must not wait.
func ExampleConn_Later() {
	s, addr := serving(netpoll.Config{}, &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
			done, text := c.Later(), string(data) // data is valid until OnMessage returns
			go func() {
				defer done()
				c.Push(op, []byte(text+", from the database"))
			}()
		},
	})
	fmt.Println(talk(addr, "hello"))
	s.Shutdown(context.Background(), 0)
	// Output: hello, from the database
}

// Swoole's protect: the heartbeat leaves this connection alone.
func ExampleConn_Protect() {
	s, addr := serving(netpoll.Config{PingInterval: 25 * time.Second}, &netpoll.Funcs{
		OnOpen:    func(c netpoll.Conn, _ *netpoll.Request) { c.Protect(true) },
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { c.Push(op, data) },
	})
	fmt.Println(talk(addr, "I may be silent for hours"))
	s.Shutdown(context.Background(), 0)
	// Output: I may be silent for hours
}

// Swoole's bufferFull and bufferEmpty: pause the source of a client that reads slowly.
func ExampleFuncs_OnFull() {
	_ = &netpoll.Funcs{
		OnFull:    func(c netpoll.Conn) { fmt.Println("wait, the queue has", c.Queued(), "bytes") },
		OnDrained: func(c netpoll.Conn) { fmt.Println("go on") },
	}
}
