// Package wstest is the test kit of the packages that serve WebSockets: clients that share no code
// with the server, waiting, and leak checks. It imports nothing of ours, so every package may
// import it in its tests.
//
//	file         contents
//	frame.go     frames as a client sends them, byte by byte
//	client.go    Client: a connection and its frames; every failure ends the test
//	handshake.go a Client's handshake, and other HTTP
//	protocol.go  Protocol: the Centrifuge protocol over a Client, in JSON and in Protobuf
//	counting.go  Visit: a client that allocates nothing, for tests that count allocations
//	counted.go   Counted: a task that checks that each wake of a turn leads to a run
//	port.go      FreeAddr
//	wait.go      Eventually, Patience, Long; the deadlines of a Client
//	serve.go     Serve: a server that runs until the test ends
//	leak.go      Main and Descriptors: a test must leave no goroutine and no descriptor behind
//	gc.go        less garbage collection in test programs
//	log.go       Log: text that goroutines write and a test reads
//	locks.go     LockOrder: each mutex of a package stands in the text of its lock order
//	files.go     FilesInOrder: a file uses only what stands before it in the list of its package
//
// A test makes its own server: the clients know the address only.
//
// # Lock order
//
//	Log.mu  nothing is locked under it
package wstest
