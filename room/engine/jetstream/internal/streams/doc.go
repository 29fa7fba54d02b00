// Package streams opens the streams of an engine: it makes them, checks and migrates their format, brings them to
// the settings, and knows their incarnations.
//
// # The metadata of a stream
//
//	webim-format       the version of the stored format: subjects, headers, and the bytes of messages
//	                   2 has the same bytes as 1, and keeps webim 0.1.0 out: see Opener.RefuseOlder
//	webim-incarnation  a random name that changes when sequences may come again with other messages
//
// # Rules
//
//   - All calls may wait for the server. One caller at a time opens a stream.
//   - Whatever is changed here is on the disk when the call returns, if Opener.Sync is set.
//   - A setting that the server refuses, or that would leave no space for new messages, is not an error: the
//     stream stays as it was, and the log says so.
//   - A list of streams has all of them, or is an error: see names.go.
//
// Package streams imports only package format.
//
// # Lock order
//
// Known.mu is innermost: nothing is locked under it.
package streams
