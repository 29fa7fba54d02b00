// Package peers is empty. It is the root of the module of the programs that webim is compared with, one in each folder. A separate module
// keeps their imports out of webim's go.mod. Centrifugo is a program and not a library, so it has another module, in its folder.
//
// Each program serves the same chat rooms. It sends each text or binary message of a client to all clients of the room, including the
// sender, in one frame. The path names the room (in Centrifugo the channel does), and any Origin is accepted. Each broadcasts as its
// library's own example or README does, and sets the options for speed that the library has. None is handicapped, and none does anything
// unusual for the library's users.
//
// All programs share these rules, so that figures can be compared: no compression; messages of up to 1 MB; a client that stops reading is
// disconnected when about 4 MB wait for it, or, if the library does not show its queue, when the kernel could deliver nothing for ten
// seconds.
//
//	gorilla     the hub of its chat example: three channels, prepared messages, a queue and a write pump for each client; pings every 54 s like the example
//	coder       the chat example of its repository: a queue and a goroutine for each subscriber
//	gws         its Broadcaster; one goroutine per connection
//	nbio        non-blocking mode: pollers, a task pool, a write buffer only for slow clients
//	greatws     one event loop; its task pool parses and calls back
//	gnet        one event loop per core, gobwas/ws for frames; a message goes once to each loop that has clients of the room
//	epoll       gobwas/ws, easygo's netpoll and goroutine pools, after the article "A million WebSockets and Go"
//	node        Node's ws; one thread, its default
//	uws         uWebSockets.js: a topic for each room; its authors do not publish it in npm's registry, so install it first, as uws/server.js says
//	swoole      PHP's Swoole; one worker, because in its leaner mode a broadcast reaches only the clients of the same worker
//	centrifugo  Centrifugo with config.json, for the Centrifuge dialect; its buffers are as small and its queues as long as in the other programs
//
// `webim-bench peers` lists, builds and tests them; bench/peer/peer.go has the table.
package peers
