package netpoll_test

import (
	"context"
	"fmt"
	"net"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"webim/netpoll"
)

// The chat server that webim began as: on open it says who came, on message
// it pushes the frame to everybody, on close it says who left.
//
//	$server = new Swoole\WebSocket\Server("0.0.0.0", 9501);
//	$server->on('open', function ($server, $req) {
//	    echo "client-{$req->fd} is connected\n";
//	});
//	$server->on('message', function ($server, $frame) {
//	    foreach ($server->connections as $fd) $server->push($fd, $frame->data);
//	});
//	$server->on('close', function ($server, $fd) { echo "client-{$fd} is closed\n"; });
//	$server->start();
func Example_chat() {
	var s *netpoll.Server
	s = netpoll.New(netpoll.Config{CheckOrigin: netpoll.AnyOrigin}, &netpoll.Funcs{
		OnOpen: func(c netpoll.Conn, r *netpoll.Request) { fmt.Println("client is connected") }, // c.FD() has its number
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) {
			frame, _ := netpoll.NewFrame(op, data)
			for c := range s.Conns() {
				c.PushFrame(frame)
			}
		},
		OnClose: func(c netpoll.Conn, why netpoll.Closed) { fmt.Println("client is closed:", why.Cause) },
	})
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"}) // or: s.ListenAndServe(":9501")
	if err != nil {
		panic(err)
	}

	fmt.Println(talk(addr, "hello"))
	s.Shutdown(context.Background(), 0)
	// Output:
	// client is connected
	// hello
	// client is closed: client closed
}

// An echo server: what comes in goes back to where it came from.
func Example_echo() {
	s := netpoll.New(netpoll.Config{}, &netpoll.Funcs{
		OnMessage: func(c netpoll.Conn, op ws.OpCode, data []byte) { c.Push(op, data) },
	})
	addr, err := s.Listen(netpoll.Listener{Addr: "127.0.0.1:0"})
	if err != nil {
		panic(err)
	}

	fmt.Println(talk(addr, "is there anybody?"))
	s.Shutdown(context.Background(), 0)
	// Output: is there anybody?
}

// talk sends one text, returns the first that comes back, and says goodbye.
func talk(addr net.Addr, text string) string {
	conn, _, _, err := ws.Dial(context.Background(), "ws://"+addr.String()+"/")
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	if err := wsutil.WriteClientText(conn, []byte(text)); err != nil {
		return err.Error()
	}
	answer, err := wsutil.ReadServerText(conn)
	if err != nil {
		return err.Error()
	}
	ws.WriteFrame(conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
	wsutil.ReadServerText(conn) // until the server has closed
	return string(answer)
}
