// Package sched decides which work runs next, and on which goroutine: a ready list, the turns that
// wait on it, and the workers that take them.
//
//	file        contents
//	turn.go     Turn: the state of one piece of work, which is on the list at most once
//	list.go     List: the ready list in its classes, and which task is next
//	wake.go     when a worker is woken, and how long workers were busy
//	worker.go   Worker: runs tasks on a goroutine of its own, or on that of an event loop
//	follow.go   jobs that run right after the item that asked for them
//	hold.go     nothing runs for a while
//	ring.go     the memory of a list
//
// There are two kinds of work. An item is a value of the caller's type, such as a connection, for
// which Worker.Run is called. A [Job] has a function of its own.
//
// # A lone message
//
// The largest cost of a small message is the wake-up of a thread. So with netpoll's RunOnLoop a message goes
// from the socket to its receivers on the thread that epoll_wait has woken:
//
//	epoll_wait ──► readable ──► runBatch ──► turn ──► followers ──► epoll_wait
//
// An event only marks its connection as ready. After the last event of an epoll_wait, an eventfd
// (poll.Loop.signalBatch) wakes the loop's goroutine. It queues all connections of the batch under one lock
// and runs their turns, while the events of the next batch gather in the kernel. A callback with work
// for other connections, such as a room's broadcast, makes it a job and asks for it with
// [Worker.Follow]: the same goroutine runs it after the connection's turn, within a limit of writes.
// If the turn has output to write and the job makes few writes, it runs before that output leaves: a
// reply and the broadcast of the same message then leave in one write. All further jobs, the
// background and the turns that other goroutines have woken go to the workers through the ready list.
// The list wakes a worker for a connection only if the goroutines that run have too many turns to take
// soon. Without RunOnLoop handlers may block, so the list wakes a worker whenever a connection waits
// and no worker is on its way (wake.go).
//
// For 100 clients whose messages came back one by one, the server switched threads 30,000 times a
// second before that, and 4,500 times after.
//
// # Words
//
//	word        meaning
//	turn        the right to run an item or a job: only one goroutine has it at a time
//	task        an entry of the ready list: an item or a job
//	class       front, heavy or background: the part of the ready list on which an item waits
//	worker      takes tasks and runs them: a goroutine of its own, or a loop's
//	loop        the goroutine of an event loop, which may run items itself
//	held        tasks of the list wait until Release
//	prompt      of callbacks that never block, so that a running worker comes back soon
//	followers   the jobs that a worker runs after an item, without the ready list
//
// # Lock order
//
//	List.mu    nothing is locked under it; Config.Class and Config.Now are called under it, and
//	           must not lock anything
//	Worker.mu  nothing is locked under it
package sched
