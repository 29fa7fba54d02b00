// Package bench documents the load lab. The lab measures any WebSocket server that speaks the plain dialect or the
// Centrifuge protocol. In the plain dialect, the server sends each text frame to all clients of a room, including the
// sender, and the URL's path is the room. The lab has a client of its own and shares no code with webim's server; otherwise
// both would have the same mistakes.
//
// # The packages
//
// Each package imports only packages that stand above it; a test keeps that order.
//
//	stamp      the first 16 bytes of a payload: the message's number and the tag of the run
//	sock       system calls on non-blocking sockets
//	ws         WebSocket frames, an incremental decoder, permessage-deflate
//	stat       clock, histograms, medians and spreads
//	option     types of flags, and the error for a bad option
//	proc       server processes; figures from /proc
//	client     many clients in one process: a Fleet; a raw connection for attacks
//	report     the results of all scenarios as data; tables, figures, comparison
//	page       reports as an HTML page with charts
//	load       sending by a schedule, checking of every message, the guard, samples, the bystander
//	cluster    clients in worker processes
//	floor      the floor server
//	nats       a NATS server as a process of its own
//	smoke      the proof that a server has chat rooms
//	peer       the servers of other projects; their programs are in peers (a module of its own)
//	scenario   the measurements: idle, flood, echo, rooms, storm, ...
//	suite      the comparison of webim with its peers
//	attack     named attacks beside a bystander
//	trial      webim nodes on one NATS server, to try out
//	audit      the rules for the record of a run under faults: nothing is lost, repeated or reordered
//	relay      a proxy that stalls, cuts, and drops messages of NATS
//	chaos      webim and NATS processes under faults
//
// The folder powercut, a module of its own, has tests that cut the power of a store. Package benchtest has test servers.
// To add a scenario, write its result in report (with Rows and Figures), its flags and Run in scenario, and its command
// in cmd/webim-bench.
//
// # The path of a message
//
//	schedule ──► sender ──► server ──► receiver ──► decoder ──► checker ──► histogram ──► report
//
// A sender (load) has a thread of its own and sends each message at its due time. A receiver (client) is a thread with an
// edge-triggered epoll instance; it owns a part of a fleet's clients and reads into one buffer of 256 KB. The decoder (ws)
// reads frame headers and keeps only the first 16 bytes of a payload. Over TLS, the receiver decrypts first; in the
// Centrifuge dialect, a session translates publications to plain frames, so no scenario depends on the dialect. A checker
// (load, scenario) belongs to one receiver and needs no lock.
//
// Flood and everything else with a rate is an open loop: a late message does not delay the next one. Fanout and
// quiet send one message at a time, and echo and rooms without a rate are closed loops; their reports say so.
//
// # The report
//
// A report is text, JSON or an HTML page. The JSON is one object:
//
//	schema              "webim-bench/1": new fields may be added; existing ones keep name, meaning and unit
//	scenario, label     the scenario, and the user's name of the server
//	limited_by_client   why the client was the bottleneck; then the figures say little about the server
//	interrupted, notes  the figures are of a part of the run; remarks
//	conditions          time, machine, kernel, versions, command lines, options (durations in nanoseconds), terms of the handshake
//	idle, flood, ...    the results, under the scenario's name: exactly one
//	samples             the server's memory, files, CPU and latency over time, for scenarios with a load
//
// The names have the units. A figure that was not measured is zero. Percentiles come with a curve of {q, ms}. A file may
// hold several such objects one after the other: repeated runs, of which compare takes the medians.
//
// # Why the figures can be trusted
//
// Latency counts from the due time of a message. A client or server that stalls cannot hide the messages that it delayed
// (no coordinated omission). Loss, duplicates and order are checked for every client and message, by the number in the
// payload. A message that arrives in the wrong room is counted as well. The guard tells when the client was the bottleneck.
// The floor server is the physical limit: one read(2), a loop of write(2) over the room, and nothing else.
//
// A ratio in a table divides the two medians beside it. A client that cannot connect fails the run, with its error.
// Messages and clients that the server refused are reported as refused.
//
// A received frame takes about 10 ns, besides the kernel's copy. A checked message takes one bit per client. A client takes
// about 300 bytes and one file.
//
// # Vocabulary
//
//	fleet             the clients of one process
//	receiver          a thread that reads, and owns a part of a fleet's clients (--receivers)
//	worker            a process with clients; a cluster is a set of workers (--processes)
//	load              a fleet or a cluster, as a scenario uses it
//	open loop         messages are sent at their due times, whatever happens
//	closed loop       a client sends its next message when the last one was answered
//	due time          the time at which the schedule sends a message
//	window            the time in which the schedule sends
//	round             one message to all clients of a room
//	delivery          one message to one client; a duplicate is not a delivery
//	lost              not delivered until the end of the grace period
//	foreign           a message of another run, another program or another room
//	held              a message of which the socket accepted no byte at once
//	gone              an open client that the server or the network has closed
//	absent            a client without a connection
//	stuck             a client that does not read
//	transient client  a client that connects, stays for a time, and leaves (--comers)
//	lag               how late a sending thread woke
//	settle, grace     the pause before memory is read; the wait for the last deliveries
//	side              the server or the floor, in a comparison of the two
//	floor             the bare server that shows the physical limit
//	peer              a chat server of another project
package bench
