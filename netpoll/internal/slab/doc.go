// Package slab keeps records under small numbers, in memory that never moves.
//
// A record without pointers costs the garbage collector nothing, and its number fits into a word of
// another record. Two types hold values under numbers:
//
//	type   for values that        memory
//	Slab   every connection has   chunks, which are never moved or freed
//	Table  few connections have   one allocation for each value, freed with it
//
// A [Generation] in a record tells its users apart: it is odd while the record is in use, and each
// use has its own. Number and generation together are an id that is never used twice.
//
// # Lock order
//
//	Slab.mu   nothing is locked under it
//	Table.mu  nothing is locked under it, but Each calls the caller's function under it
package slab
