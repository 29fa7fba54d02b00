// Package frames defines the bytes of the messages that nodes send each other: beats, questions,
// answers and notices. Nothing of it is stored.
//
// # The format, version 1
//
// Numbers are big endian. A string is its length and its bytes; the width of the length is given.
//
//	version  1 byte
//	from     the id of the node that sends: a string with 1 byte of length
//	kind     1 byte
//	part     2 bytes: the number of the part of a long answer, from 0
//	more     1 byte: 1 if another part follows, else 0
//	body     the rest; see the functions of each kind
//
// Every version of the format begins with the version and the sender. So a node can tell which node
// sends it something that it cannot read, and answers with a Refusal of its own version. While nodes of
// two versions run side by side, questions of the newer ones fail with that error.
//
// The bodies with control messages and reports are JSON, because their types have many fields and they
// are rare. Authors and notices are many, and are binary.
//
// # Rules
//
//   - Each message has exactly one frame. Decoding is strict: an unknown kind, a flag that is not
//     defined, an unknown member or a byte at the end is an error. JSON bodies may order their members
//     freely.
//   - A new kind needs no new version: an older node refuses the question.
//   - A change of the format, also of the fields of engine.ControlMessage or engine.NodeInfo, needs a
//     new version: the tests compare the bytes of each body with a golden text.
//   - Package frames imports only package engine. It has no state.
package frames
