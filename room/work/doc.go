// Package work runs code that may wait for the engine or for the application's backend, on goroutines
// whose number is bounded: the calls of clients, and the follow-ups of messages.
//
//	work.go      the slots, and how many there are
//	followup.go  the follow-ups of messages, in their order
//
// Workers never wait. So code that may have to wait runs on a goroutine, as straight-line code. Each
// goroutine has a slot (budget.Slots). The number of calls that wait for a slot is bounded, too, and the
// users take turns. A call for which there is neither a slot nor a place to wait is refused.
//
// An engine in this process (engine.Prompt) answers at once. With such an engine, and without a
// backend, no call has to wait, and the hub runs the same code on the workers, without this package. To
// hand a call to a goroutine would wake two threads and take one more turn of the connection, which
// costs about as much as the call itself: with two processors, send fell from 10,000 to 6,000 calls a
// second.
//
// Few slots suffice, because a call with a slot uses a processor, or waits for an engine that answers
// soon. With more slots than that, calls would take the processors from the workers. While a call
// waits for the backend, or for the engine's answer to a message, it lends its slot to other calls.
//
// # Rules
//
//   - The follow-ups of calls have as many slots of their own. A call waits for the follow-up of its
//     message, and holds its slot meanwhile if too many calls have lent theirs. So the follow-up of a
//     call must not wait for a slot that a call may hold.
//   - The follow-ups of one payer in one room run one at a time, in the order of their messages.
//   - Work that is refused leaves a line in the log, and whoever waits for it is told at once.
//
// # Vocabulary
//
//	call        an RPC of a client that this server answers (package rpc)
//	slot        what work needs to run on a goroutine
//	lend        a call that waits lets another call have its slot (budget.Slots.Suspend)
//	follow-up   the work that follows a message, such as to tell other users about it
//	line        the follow-ups of one payer in one room
//	payer       the owner that pays for the slot
//
// # Lock order
//
// Runner.mu guards the lines. It is innermost: nothing is locked under it. The locks of budget.Slots are
// taken with no lock of this package held.
package work
