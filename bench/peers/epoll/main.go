// Command epoll serves the chat rooms in the manner of the article "A million WebSockets and Go": gobwas/ws, easygo's netpoll, goroutine
// pools, and neither a goroutine nor a buffer for an idle connection.
//
// Where the article's example fails in practice, this program does as its authors would have. It registers the raw descriptor with
// netpoll.EpollCreate instead of a duplicate, which would cost two descriptors per client, and netpoll.Resume would make the socket
// blocking. It re-arms one-shot events, so that it does not miss a second frame after the first. Readers and writers have separate pools,
// because a pool full of readers that wait for a writer would deadlock. One fault cannot be fixed: half a frame occupies a worker, up to a
// deadline.
package main

import (
	"log"
	"net"

	"github.com/mailru/easygo/netpoll"

	"webim/bench/peers/kit"
)

// server has all rooms and the pools that serve them.
type server struct {
	poll    *netpoll.Epoll
	readers *pool // run handshakes and client.receive, which waits for writers
	writers *pool // run client.drain, which waits only for its socket
	rooms   kit.Rooms[*client]
}

func main() {
	poll, err := netpoll.EpollCreate(&netpoll.EpollConfig{OnWaitError: func(err error) { log.Fatal(err) }})
	if err != nil {
		log.Fatal(err)
	}
	s := &server{poll: poll, readers: newPool(128), writers: newPool(128)}
	ln := kit.Listen()
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		s.readers.schedule(func() { s.join(conn.(*net.TCPConn)) })
	}
}

// broadcast queues a frame for every client of the room.
func (c *client) broadcast(frame []byte) {
	for _, to := range c.room.Snapshot() {
		to.send(frame)
	}
}
