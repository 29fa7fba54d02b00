// Package output keeps the bytes that connections have still to write: queues of references to
// encoded frames, which many queues share, and the count of the memory that all queues hold.
//
//	file        contents
//	total.go    Total: the bytes that all queues hold
//	buffer.go   Buffer: encoded output that several queues may refer to
//	segment.go  Segment: pooled memory of buffers
//	queue.go    Queue: the references of one connection, oldest first
//	pong.go     the pong of a queue
//
// It makes no system call and has no lock: the caller guards each Queue. Buffers, segments and
// totals are safe for concurrent use.
//
// # Words
//
//	word          meaning
//	reference     a stretch of a shared buffer that is still to be written
//	holder        a queue that has a reference to a buffer
//	cost          the bytes of a queue, and the memory of its frames besides their bytes
//	exempt        the size of replies that do not count against the limit of a queue
//	pending pong  the answer to the latest ping, not queued yet
package output
