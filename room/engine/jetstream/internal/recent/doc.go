// Package recent has the newest publications of a room in memory: the end of its log, without holes.
//
//	recent.go   Publications: those of a topic
//	part.go     Part: a copy of them, or as many as a job has read
//	memory.go   Memory: counts the bytes of all Publications
//
// Package recent has no mutex: the lock that guards Publications is the caller's. A Memory may be used at the same
// time by many.
package recent
