// Package audit checks the record of a run under faults: the messages of each client, the answers to them, and the publications that it received.
// It knows nothing of processes and sockets, so tests give it records with planted faults.
//
//	record.go    the record: clients with their events, the logs at the end, bans
//	audit.go     Check: all rules
//	order.go     the order of a room: which message has which offset
//	sequence.go  the events of one client in one room
//
// # The rules
//
//	lost       an acknowledged message is not in the log, or at another place than its sender was told
//	twice      a message is in the log more than once, whether acknowledged or not
//	unsent     the log has a message that nobody sent, or that was refused
//	order      two readers saw different messages at the same place, or the logs of two nodes differ
//	phantom    a client received a publication that the log does not have
//	gap        a client was not told that it had missed a publication
//	duplicate  a client received a publication twice, or an older one after a newer one
//	stale      a reply was older than the position of the same client
//	behind     at the end, a client or a node lacks a part of the log
//	banned     a user received or joined something later than Run.Bound after the ban or the revocation
//
// # Vocabulary
//
//	place     an epoch and an offset
//	position  the place up to which a client has seen a room
//	unknown   said of a message if its sender was not told whether it is stored
//	bound     the time within which a ban must hold everywhere
package audit
