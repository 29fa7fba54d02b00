package flight

import "sync"

// Kept is the number of events that a connection has at most.
const Kept = 7

// places is the size of the table: a power of two. All of it takes 200 KB.
const places = 2048

// An Event is something that happened on a connection.
type Event struct {
	At    uint32 // the tick of the first one
	Bytes uint32
	Code  uint16
	Kind  uint8
	Count uint8 // the number of events that it stands for; 255 or more
}

// A Recorder keeps the latest events of connections. The zero value is ready; all methods are safe for
// concurrent use.
type Recorder struct{ all [places]place }

// place holds the events of one connection.
type place struct {
	mu     sync.Mutex
	id     uint64
	events [Kept]Event // the latest first; those without a kind are not used
}

// placeOf returns the place of a connection. The low half of an id is the number of the record.
func (r *Recorder) placeOf(id uint64) *place { return &r.all[id%places] }

// Note adds an event, or adds it to the latest one if that is of the same kind and code, and began less than
// together ticks ago.
func (r *Recorder) Note(id uint64, e Event, together uint32) {
	p := r.placeOf(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != id {
		p.id, p.events = id, [Kept]Event{}
	}
	if last := &p.events[0]; last.Kind == e.Kind && last.Code == e.Code && e.At-last.At < together {
		last.Count = uint8(min(255, int(last.Count)+int(e.Count)))
		last.Bytes = uint32(min(1<<32-1, uint64(last.Bytes)+uint64(e.Bytes)))
		return
	}
	copy(p.events[1:], p.events[:])
	p.events[0] = e
}

// Events appends the latest events of a connection to dst, the oldest first.
func (r *Recorder) Events(dst []Event, id uint64) []Event {
	p := r.placeOf(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id != id {
		return dst
	}
	for i := Kept - 1; i >= 0; i-- {
		if p.events[i].Kind != 0 {
			dst = append(dst, p.events[i])
		}
	}
	return dst
}

// IDs returns the connections that have a place.
func (r *Recorder) IDs() (all []uint64) {
	for i := range r.all {
		p := &r.all[i]
		p.mu.Lock()
		if p.id != 0 {
			all = append(all, p.id)
		}
		p.mu.Unlock()
	}
	return all
}
