// Package archive makes backups of the store of package jetstream, and restores them. It works on the streams, by
// the snapshots of NATS, so it does not matter whether nodes use the store meanwhile, or where NATS runs.
//
//	backup.go    Backup, and the files of a backup
//	restore.go   Restore
//	snapshot.go  a stream ↔ a file
//	keysfile.go  the keys of users, in a file of their own
//
// # A backup
//
// A backup is a folder:
//
//	webim-backup.json   the manifest: version of the format, time, and the streams with their settings
//	STREAM.snapshot     a stream, as NATS makes it
//	erased.jsonl        the users that had been erased, with the times: a JSON object in each line
//
// It has everything that was acknowledged before Backup was called, except the keys of users. Without the keys
// nobody can read the messages of users. They go to a file of their own if the caller wants that.
//
// The State is copied before the logs. So an entry of the State may be older than the logs, but it never speaks of
// messages that the copy does not have.
//
// # A restore
//
// Restore replaces the State and the logs. It keeps the keys that are in the store, because they are newer than any
// copy. Of a file of keys, it adds those that the store does not have, except those of users that were erased since. A user may
// then have several: see package keys. All streams get a new incarnation, so clients see that rooms may have lost messages. The
// caller then repeats the removals of the old store, of which the backup may have none: see jetstream.Engine.Removals and Report.
//
// A restore may be interrupted at any point, also by a power cut, and is then repeated as a whole. Before it replaces
// anything, it notes the removals of the store in the stream REMOVALS, and then, at the stream ERASED, that it has begun. The
// second note keeps nodes from using the store. A repeated restore takes the removals from the first note, because the State
// that had them may be gone. The erased users are in the stream ERASED, which no restore replaces. When all is on the disk, End
// removes the second note, and then the first.
//
// # Vocabulary
//
//	manifest    the description of a backup
//	snapshot    a copy of a stream at one moment
//	keys file   the keys of users: with it and a backup, anybody can read everything
//
// Package archive has no mutex.
package archive
