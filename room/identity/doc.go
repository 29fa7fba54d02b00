// Package identity knows the client behind each connection: its identity, the owner that pays for it, how
// much of its rates it has used, and how other users see it. It also knows which sessions have connected.
//
//	principal.go  Principal: identity, payer and rates, of a connection of either dialect
//	session.go    Session: a connection that may be in many rooms; State: the part that all sessions have
//	author.go     a connection as other users see it
//	logged.go     a connection in a line of the log
//	table.go      Table: the sessions that have connected, by user
//
// All of it is found by the connection: a dialect makes the Principal, or a Session with a State, the data
// of the connection (netpoll.Conn.SetData). A connection without data is anonymous, and takes no memory here.
//
// # Rules
//
//   - The user of a connection does not change once the connection has joined a room. Everything else in
//     its identity may change with a new token.
//   - A session is in a Table at most once, and never after it was removed, so that no control message
//     finds a connection that has ended.
//
// # Vocabulary
//
//	principal   the identity of a connection, its payer and its rates
//	session     a connection that connects with a command and may be in many rooms
//	plain       a connection without a session; it is in at most one room, which its tag names
//	payer       the owner that pays for data, bytes or call slots
//	author      a connection as other users see it
//
// # Lock order
//
// Table.mu is innermost: nothing is locked under it. It guards the lists of a Table, and the mark of each
// session that says whether the session is in it.
package identity
