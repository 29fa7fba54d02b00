package kit

import "sync"

// Rooms has the rooms of a server by their paths. It forgets empty rooms. The zero value is ready to use. It is safe for concurrent use.
type Rooms[T comparable] struct {
	mu     sync.Mutex
	byPath map[string]*Room[T]
}

// Room has the members of one path.
type Room[T comparable] struct {
	members Members[T]
	rooms   *Rooms[T]
	path    string
}

// Join adds t to the room of the path, and returns the room. The caller must call the room's Leave when t ends.
func (r *Rooms[T]) Join(path string, t T) *Room[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.byPath[path]
	if room == nil {
		if r.byPath == nil {
			r.byPath = map[string]*Room[T]{}
		}
		room = &Room[T]{rooms: r, path: path}
		r.byPath[path] = room
	}
	room.members.Add(t)
	return room
}

// Leave removes t, if t is a member.
func (r *Room[T]) Leave(t T) {
	r.rooms.mu.Lock()
	defer r.rooms.mu.Unlock()
	if r.members.remove(t) == 0 && r.rooms.byPath[r.path] == r {
		delete(r.rooms.byPath, r.path)
	}
}

// Snapshot returns the current members; see [Members.Snapshot].
func (r *Room[T]) Snapshot() []T { return r.members.Snapshot() }
