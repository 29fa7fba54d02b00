// Package keys stores the keys of users in a stream of JetStream: it is the Store of package seal.
//
// The stream KEYS has one message for each user with a key, with the subject "key." and the token of the
// user. The server accepts a key only if the subject has no message, so nodes that make a key at the same time
// agree on one. A user may also have keys of restored backups: see backup.go.
//
// # Deleting
//
// A key is deleted with the server's secure delete: the server writes the file of the message anew, with random
// bytes in its place, before it answers. So the key is gone from the files of an embedded store. There are three
// limits:
//
//   - If the server ends, or cannot write, in the middle of a deletion, it takes the message for deleted when it
//     starts again, but the bytes may stay in the file until the server compacts it.
//   - In a cluster with replicas, each replica has the message also in its Raft log until the next snapshot.
//   - A replica that is away deletes the message when it comes back.
//
// Messages are sealed in other streams than this one, so a backup of the log can leave the keys out.
//
// # Shares
//
// A key stays as long as a stored text needs it, or until its user is erased. So no payer may have the space of all others:
// payers are sorted into groups, and the keys of a group have at most a quarter of the space. Each key has the number of its
// group in a header, and a node counts them at its start, and then those that have come since. A group is nothing but a number
// below 4,096, made by a hash: the store does not say which payer has made a key. Keys from before there were groups, and those
// that were restored, belong to none.
//
// # A missing key
//
// A text whose key is missing counts as erased for good, so a node must be certain that the key is missing: logread.Leader.Prove.
// A proof that cannot be made is an error of the store, and nothing is remembered.
//
// # A key that was deleted
//
// A server that led the stream, and has not noticed yet that another one does, returns keys that were deleted since. So when
// another node may have removed unused keys, or erased a user, a proof comes before the next key is read: see Doubt.
//
// A gap is left. The proof is that of the server which answered it, and answers do not say which server has made them. A leader that
// stood still since before the deletion, as a suspended machine, and goes on after the proof, may answer the next read, until it
// hears of its successor: some milliseconds, in which a node must ask for just that key. Then a text of an erased user is shown, or
// a new text is sealed with a key that nobody has later. Only a write that names the key, through Raft, would close that gap: for
// each key that a node reads, which is three requests more for each user and round.
//
// # Rules
//
//   - Methods never block: requests run as jobs (package jobs), Config.Parallel at a time, because the server drops
//     all requests that wait when they are too many.
//   - If the server does not answer, as a cluster without a leader of the stream, all requests that wait end together,
//     after Config.Timeout.
//   - No request is repeated.
//   - Nothing here logs a key, and no error holds one.
//
// # Lock order
//
// groups.mu is innermost. It is not held while the server is asked.
package keys
