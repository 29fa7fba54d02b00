// Command epoll is the chat rooms in the manner of the article "A million WebSockets and Go": gobwas/ws, easygo's netpoll, goroutine pools, and
// no goroutine or buffer for a connection that is silent.
//
// Where the article's example fails in practice, this does what its authors would: it registers the raw descriptor with netpoll.EpollCreate
// instead of a duplicate of it (two descriptors a client, and netpoll.Resume turns the socket blocking); it re-arms one-shot, so that a
// second frame behind the first is not forgotten; and readers and writers have pools of their own, else a pool full of readers that wait for
// a writer stands still. What cannot be mended stays: half a frame holds a worker, up to a deadline.
package main

import (
	"log"
	"net"

	"github.com/mailru/easygo/netpoll"

	"webim/bench/peers/kit"
)

// server is all rooms, and what serves them.
type server struct {
	poll    *netpoll.Epoll
	readers *pool // run handshakes and client.receive, which waits for writers
	writers *pool // run client.drain, which waits for nobody but its socket
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

// broadcast hands a frame to the queue of every client of the room.
func (c *client) broadcast(frame []byte) {
	for _, to := range c.room.Snapshot() {
		to.send(frame)
	}
}
