// Package sched decides which work runs next, and on which goroutine: a ready list, the turns that
// wait on it, and the workers that take them.
//
//	file        contents
//	turn.go     Turn: the state of one piece of work, which is on the list at most once
//	list.go     List: the ready list in its classes, and which task is next
//	wake.go     when a worker is woken, and how long workers were busy
//	worker.go   Worker: runs tasks on a goroutine of its own, or on that of an event loop
//	follow.go   jobs that run right after the item that asked for them
//	ring.go     the memory of a list
//
// There are two kinds of work. An item is a value of the caller's type, such as a connection, for
// which Worker.Run is called. A [Job] has a function of its own.
//
// # Words
//
//	word        meaning
//	turn        the right to run an item or a job: only one goroutine has it at a time
//	task        an entry of the ready list: an item or a job
//	class       front, heavy or background: the part of the ready list on which an item waits
//	worker      takes tasks and runs them: a goroutine of its own, or a loop's
//	loop        the goroutine of an event loop, which may run items itself
//	prompt      of callbacks that never block, so that a running worker comes back soon
//	followers   the jobs that a worker runs after an item, without the ready list
//
// # Lock order
//
//	List.mu    nothing is locked under it; Config.Class and Config.Now are called under it, and
//	           must not lock anything
//	Worker.mu  nothing is locked under it
package sched
