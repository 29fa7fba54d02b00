// Package peers holds nothing: it is the module of the programs that webim is compared with, one folder each. A module of its own keeps
// what they import out of webim's go.mod; Centrifugo, which is a program and no library, has one more, in its folder.
//
// Each program is the same set of chat rooms: a text or binary message that a client sends goes to all clients of its room, the sender
// included, in one frame; the room is the path (in Centrifugo the channel), and any Origin is welcome. Each is written as its library's own example or README does a
// broadcast, and tuned where the library has a knob for it: none is handicapped, and none is bent into what its users would not write.
//
// What they share, so that figures can be compared: no compression; messages of up to 1 MB; a client that stops reading is cut, either when
// about 4 MB wait for it, or, where the library does not show what waits, when the kernel could deliver nothing for ten seconds.
//
//	gorilla     the hub of its chat example: three channels, prepared messages, a queue and a write pump for each client; pings every 54 s like the example
//	coder       the chat example of its repository: a queue and a goroutine for each subscriber
//	gws         Broadcaster over a goroutine a connection
//	nbio        non-blocking mode: pollers, a task pool, a write buffer only for who is slow
//	greatws     one event loop, parsing and callbacks in its task pool
//	gnet        one event loop a core, gobwas/ws for frames; a message visits each loop that has clients of the room once
//	epoll       gobwas/ws, easygo's netpoll and goroutine pools, after the article "A million WebSockets and Go"
//	node        Node's ws; one thread, as it is
//	uws         uWebSockets.js: a topic for each room; its authors do not publish it in npm's registry, so install it first, as uws/server.js says
//	swoole      PHP's Swoole; one worker, because only then everybody of a room hears everybody in its leaner mode
//	centrifugo  Centrifugo as it is, with config.json, for the Centrifuge dialect; its buffers as small and its queues as long as the others'
//
// `webim-bench peers` lists, builds and proves them; bench/peer.go has the table.
package peers
