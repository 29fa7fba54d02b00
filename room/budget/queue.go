package budget

// A Queue is a store that forgets: it keeps entries in the order in which they came,
// counts each in a Pool for the owner that pays for it, and names the entry that goes
// first when the pool is over its limit. The entry itself, and how it is found, is the
// caller's.
//
// A Queue is not safe for concurrent use: the lock that guards the caller's entries
// guards the queue, too.
type Queue[T any] struct {
	pool *Pool
	all  ends[T]
	own  map[Owner]*ends[T] // without the server's
}

// Item is the place of an entry in a Queue.
type Item[T any] struct {
	Value T

	owner    Owner
	all, own links[T]
}

// links are the neighbours of an item in one list: the older and the younger one.
type links[T any] struct{ older, younger *Item[T] }

// ends are the oldest and the youngest item of a list.
type ends[T any] struct{ oldest, youngest *Item[T] }

// NewQueue makes a queue of limit entries. A negative limit is no limit.
func NewQueue[T any](limit int64) *Queue[T] {
	return &Queue[T]{pool: NewPool(limit), own: map[Owner]*ends[T]{}}
}

// Push adds an entry as the youngest one. Afterwards Overflow may name entries.
func (q *Queue[T]) Push(o Owner, value T) *Item[T] {
	i := &Item[T]{Value: value, owner: o}
	q.all.push(i, inAll)
	if o != (Owner{}) {
		if q.own[o] == nil {
			q.own[o] = &ends[T]{}
		}
		q.own[o].push(i, inOwn)
	}
	q.pool.Add(o, 1)
	return i
}

// Remove takes an item out, which must be in the queue.
func (q *Queue[T]) Remove(i *Item[T]) {
	q.all.remove(i, inAll)
	if own := q.own[i.owner]; own != nil {
		if own.remove(i, inOwn); own.oldest == nil {
			delete(q.own, i.owner)
		}
	}
	if q.pool.Add(i.owner, -1); q.all.oldest == nil {
		q.own = map[Owner]*ends[T]{} // Go's maps do not shrink
	}
}

// Oldest is the item that has been in the queue for the longest time; nil: there is none.
func (q *Queue[T]) Oldest() *Item[T] { return q.all.oldest }

// Overflow is the item that has to go because there are more than the limit: the oldest
// one of the owner with the largest share if one stands out, or else the oldest of all.
// It is nil if there are not too many.
func (q *Queue[T]) Overflow() *Item[T] {
	if !q.pool.Over() {
		return nil
	}
	if o, ok := q.pool.Largest(); ok {
		return q.own[o].oldest
	}
	return q.all.oldest
}

// Len is how many entries the queue has.
func (q *Queue[T]) Len() int { return int(q.pool.Used()) }

// inAll and inOwn choose the list whose links of an item are meant.
func inAll[T any](i *Item[T]) *links[T] { return &i.all }
func inOwn[T any](i *Item[T]) *links[T] { return &i.own }

func (e *ends[T]) push(i *Item[T], in func(*Item[T]) *links[T]) {
	in(i).older = e.youngest
	if e.youngest == nil {
		e.oldest = i
	} else {
		in(e.youngest).younger = i
	}
	e.youngest = i
}

func (e *ends[T]) remove(i *Item[T], in func(*Item[T]) *links[T]) {
	at := in(i)
	if at.older == nil {
		e.oldest = at.younger
	} else {
		in(at.older).younger = at.younger
	}
	if at.younger == nil {
		e.youngest = at.older
	} else {
		in(at.younger).older = at.older
	}
	*at = links[T]{}
}
