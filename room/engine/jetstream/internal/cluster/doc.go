// Package cluster connects the nodes of an engine over core NATS: it knows which nodes live, asks all of
// them, and brings control messages to all of them.
//
//	cluster.go    Cluster: starting, what arrives, ending
//	peers.go      which nodes live: beats and greetings
//	older.go      which of them are of webim 0.1.0
//	questions.go  a question goes to all nodes, and their answers come back
//	answers.go    questions of other nodes
//	control.go    control messages, and reports of the nodes
//	change.go     changes of the State that are told at once
//	presence.go   counts and lists of members
//	compare.go    joins and leaves that the rooms of this node have missed
//	users.go      sets of users that can be merged
//	recent.go     results that are kept for a moment
//	move.go       the node moves to another process
//
// # Life of a node
//
// A node that begins sends Hello. Each node answers with the nodes that it believes alive, and from then on
// knows the new one. The new one waits until those have answered, at most a second. After that every node
// sends a Beat each second. A node that was not heard for 5 s is taken for dead, and one that ends says Bye.
// Whoever hears an unknown node sends a beat at once, so that both know each other.
//
// A node hears its own beats, too. While it does not, it stood still or its connection is silent, so it takes nobody for
// dead; afterwards all others get a new lease.
//
// # Members of dead nodes
//
// A node that dies cannot tell that its members leave. Each node remembers which of them its own rooms were told of
// (package told), and tells them the leaves. If the node has only lost its connection and is heard again, its members are
// asked for, and their joins are told again. After a loss of its own connection, a node compares all its rooms, and so do
// the others, one room after the other: joins and leaves that were lost on the way are told then. Rooms with more than
// 1,000 members on a node are not compared with that node.
//
// # A question
//
//	ask ──► ctl.ask ──► each node ──► job: answer ──► inbox of the asker ──► end
//
// One message asks all nodes, and each answers, in parts if the answer is long. The question ends when
// every node that was believed alive has answered, or has died, or after 2 s. This node does not ask itself
// over NATS: it adds its own part when the question has ended, with the same functions.
//
// A control message is sent twice if a node has not confirmed it after half of that time. It has an id, the
// subject for the answers, and each node applies an id once.
//
// A change of the State that is urgent is told once, without an answer: the stream of the State brings it, too.
//
// # Rules
//
//   - No method blocks, and no goroutine waits for a question. Callbacks come from jobs, with no lock held,
//     or before the method returns.
//   - Nodes apply control messages one after the other, on a job of their own, in the order in which they
//     arrive. Questions are answered by a few jobs at a time.
//   - Everything is bounded: questions in flight, callers that wait for one count, bytes of answers of one
//     question and of all, questions of others that wait, ids, results that are kept, and nodes.
//   - While the connection is lost, and until the greetings after that are over, questions fail at once with
//     engine.ErrUnavailable. A control message is applied on this node, and fails with
//     engine.ErrUnconfirmed.
//
// # Lock order
//
// Cluster.mu, recent.mu and the mutex of a hubs.List are innermost: nothing is locked under them.
package cluster
