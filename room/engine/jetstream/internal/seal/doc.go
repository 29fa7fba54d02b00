// Package seal encrypts the messages of users, with a key for each user. If the key of a user is deleted,
// everything that the user said can no longer be read: in all rooms, on all nodes, and in every copy of
// the log. A stored message cannot be changed, so that is how a log forgets a user.
//
// # Keys
//
// A key is 32 random bytes with a random id of 8 bytes. A Store keeps it. The ring (ring.go) has the
// keys of the users that were needed last in memory. Once a key has been deleted, the user gets a new one, with
// another id, when the user says something again. So each sealed text names the key that opens it. A user may also have further
// keys, from backups: they open what was sealed with them, and seal nothing more.
//
// # What a sealed text is
//
//	id of the key   8 bytes, big endian
//	nonce           12 random bytes
//	ciphertext      as long as the text
//	tag             16 bytes
//
// The cipher is AES-256-GCM. It also authenticates the name of the room, so a text that somebody moves to
// another room does not open there.
//
// Random nonces of 12 bytes are safe for 2^32 texts of one key: then two of them are the same with a
// probability of 2^-32 (NIST SP 800-38D, section 8.3). A bot can reach that number in some weeks. So the key of a
// user never encrypts a text itself: a key is derived from it for each day (HKDF-SHA256), by the time of the
// message, and 2^32 texts in a day are 49,710 a second from one user. Opening needs the same time, so the
// time of a sealed message cannot be moved to another day either.
//
// # Keys that are removed
//
// A store that removes unused keys says by its Guard which keys may seal. If the key of a user may not, the ring
// claims it. It seals with it only if the claim succeeds. Otherwise the user gets a new one. After a text was stored, Confirm
// says whether its key is kept.
//
// # Order
//
// The callbacks of one user are called in the order of the calls, one after the other, as long as these
// calls come one after the other. If the key is in memory and nobody waits, the ring calls back before the
// call returns. So messages of a user keep their order when they wait for the user's first key.
//
// # Rules
//
//   - Package seal imports nothing of ours. It starts no goroutine.
//   - No callback is called with a lock held.
//   - Keys are never logged, and no error names one.
//
// # Lock order
//
// Ring.mu guards the keys in memory and the waiting calls. Only Guard.May is called with it, not the store and the
// callbacks.
package seal
