package encode

import "sync"

// maxScratch is the largest buffer, in bytes, that a Set keeps for each dialect.
const maxScratch = 64 << 10

// A Set has one message in each dialect in which it was asked for. NewSet makes it. Its messages are
// valid until Free. It is not safe for concurrent use.
type Set struct {
	done     [NumDialects]bool
	messages [NumDialects]Message
	scratch  [NumDialects][]byte // memory for the next messages
}

var sets = sync.Pool{New: func() any { return new(Set) }}

// NewSet returns an empty set.
func NewSet() *Set { return sets.Get().(*Set) }

// Get returns the message in a dialect. The first time, it calls encode, which may use the memory
// of dst.
func (s *Set) Get(d Dialect, encode func(d Dialect, dst []byte) Message) Message {
	if !s.done[d] {
		s.done[d], s.messages[d] = true, encode(d, s.scratch[d][:0])
	}
	return s.messages[d]
}

// Free makes the set, and the memory of its messages, available for other messages. It does not
// keep plain messages, which refer to the data of the publisher.
func (s *Set) Free() {
	for d := range s.messages {
		if b := s.messages[d].Data; Dialect(d) != Plain && cap(b) > cap(s.scratch[d]) && cap(b) <= maxScratch {
			s.scratch[d] = b
		}
	}
	s.done, s.messages = [NumDialects]bool{}, [NumDialects]Message{}
	sets.Put(s)
}
