// Package jsonlines writes the messages of a store as JSON lines, and reads such lines into a store. web/docs/storage.md
// describes the lines.
//
//	file       contents
//	export.go  Export, and the lines
//	import.go  Import
package jsonlines
