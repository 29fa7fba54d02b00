// Package snapshot writes down the state of a process for the process that replaces it, and reads it: the
// format of a live upgrade. It knows no types of its users. Each package that has state writes its own
// messages.
//
//	encoder.go  Encoder: fields are appended
//	decoder.go  Decoder: fields are read in a loop
//
// The format is the wire format of Protocol Buffers: a message is a list of fields, each with a number and a
// type that tells its length. So a reader skips the fields that it does not know, and a field that is missing
// has its zero value.
//
// # Versions
//
// The process that runs writes a version that the new process reads: its own, or the one before it. So a
// binary can be replaced by a newer one, and by one that is older by one version. These are the rules:
//
//   - The number of a field is never used again for another meaning, nor with another type.
//   - A new field is optional: a reader that does not know it does without. That raises no version.
//   - A change that a reader must not ignore raises [Version]. The writer then can still write the version
//     before, for a reader that knows only that one.
//   - Each package with a message keeps a golden file for each version, which a test reads and writes again.
//
// Times are wall-clock times, because both processes run on one machine.
package snapshot

const (
	// Version is the version that this program writes.
	Version = 1
	// Oldest is the oldest version that this program reads and writes.
	Oldest = 1
)

// Agree returns the version in which a process writes its state, if the process that reads it knows the
// versions from oldest to newest. ok is false if they have no version in common.
func Agree(oldest, newest uint64) (version uint64, ok bool) {
	version = min(Version, newest)
	return version, version >= max(Oldest, oldest)
}
