// Package rpc runs the calls of clients: the RPCs that this server answers itself. A call acts for its
// client. It asks the hub for its rights, and its client pays for everything that it reads and publishes.
//
//	rpc.go     which calls there are, and how they begin
//	call.go    a call: its goroutine, its caller, rights and publishing
//	bounds.go  reading for a caller, and the limits that it is told
//
// # Rules
//
//   - A call runs on a goroutine with a slot (package work), and may wait for the engine and the backend.
//     If nothing can make it wait (Hub.Prompt), it runs on the worker.
//   - Until a call has been answered, its connection is not read, so the commands of a connection keep
//     their order. A shutdown waits for the answer (Hub.Settle).
//   - A call that waits lends its slot to other calls.
//   - A call is answered once, by Session.Answer. If it panics, its connection is closed.
//
// # Vocabulary
//
//	call      an RPC of a client that this server answers; package chat has the calls
//	caller    the client of a call; Caller is the program's part that implements calls
//	method    the name of a call
//	prompt    a call that never waits, and so runs on a worker
//
// Package rpc has no mutex, and so no lock order. It takes those of the hub and of budget.Slots with no
// lock held.
package rpc
