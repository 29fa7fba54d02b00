// Package chaos runs three webim processes and three NATS servers under load, kills, pauses and separates them, and checks
// that nothing was lost, repeated or reordered without the clients being told. Package audit has the rules.
//
//	options.go  the flags
//	plan.go     the faults of a run, from its seed
//	run.go      a run from the beginning to the end
//	lab.go      the system: processes, relays, clients
//	nats.go     the NATS servers, and the relays between them
//	node.go     the webim processes
//	process.go  a process that is started again when it ends
//	disk.go     small disks for the stores, which can be filled
//	faults.go   making faults and mending them
//	member.go   a client: it sends, reads, moves from node to node, and records everything
//	replies.go  the answers and pushes of the server
//	wire.go     connections and the protocol
//	api.go      the server API
//	report.go   the verdict, and the report
//
// # The system
//
//	clients ──► webim 0,1,2 ──relay──► NATS 0,1,2 ──relay──► the other NATS servers
//
// Each line between two programs has a relay of its own (package relay). The processes listen on free ports, and tell
// nobody but the lab.
//
// # The seed
//
// A seed repeats the faults with their times, and the choices of each client. When exactly a message is on its way is up to the machine,
// so a run that fails may need some repetitions to fail again.
//
// # Vocabulary
//
//	node      a webim process
//	server    a NATS server
//	member    a client
//	fault     something that is broken for some seconds
//	mend      end a fault
//	even      said of the system when all nodes and clients have seen the same
//
// # Lock order
//
//	process.mu, node.mu, member.mu, lab.mu  no lock is taken under them, except that member.mu is taken under conn.mu
package chaos
