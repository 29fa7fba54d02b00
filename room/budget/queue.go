package budget

import "iter"

// A Queue orders the entries of a store that evicts data. It keeps them in the order of their
// arrival, counts each in a Pool for its owner, and names the entry to evict when the pool
// exceeds its limit. The entry itself, and how to find it, are up to the caller.
//
// A Queue is not safe for concurrent use: the lock that guards the caller's entries must also
// guard the queue.
type Queue[T any] struct {
	pool *Pool
	all  ends[T]
	own  map[Owner]*ends[T] // except the server's
}

// Item is an entry in a Queue.
type Item[T any] struct {
	Value T

	owner    Owner
	all, own links[T]
}

// links are the neighbours of an item in one list: the next older and the next younger item.
type links[T any] struct{ older, younger *Item[T] }

// ends are the oldest and the youngest item of a list.
type ends[T any] struct{ oldest, youngest *Item[T] }

// NewQueue returns a queue of limit entries. A negative limit means no limit.
func NewQueue[T any](limit int64) *Queue[T] {
	return &Queue[T]{pool: NewPool(limit), own: map[Owner]*ends[T]{}}
}

// Push adds an entry as the youngest one. Afterwards the caller evicts the items that Overflow
// returns.
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

// Remove removes an item, which must be in the queue.
func (q *Queue[T]) Remove(i *Item[T]) {
	q.all.remove(i, inAll)
	if own := q.own[i.owner]; own != nil {
		if own.remove(i, inOwn); own.oldest == nil {
			delete(q.own, i.owner)
		}
	}
	if q.pool.Add(i.owner, -1); q.all.oldest == nil {
		q.own = map[Owner]*ends[T]{} // Go's maps do not shrink, so start with a new one
	}
}

// All iterates over the items, the oldest first. The queue must not change meanwhile.
func (q *Queue[T]) All() iter.Seq[*Item[T]] {
	return func(yield func(*Item[T]) bool) {
		for i := q.all.oldest; i != nil && yield(i); i = i.all.younger {
		}
	}
}

// Owner returns the owner with which the item was pushed.
func (i *Item[T]) Owner() Owner { return i.owner }

// Oldest returns the oldest item; nil if the queue is empty.
func (q *Queue[T]) Oldest() *Item[T] { return q.all.oldest }

// Overflow returns the item to evict if the queue exceeds its limit: the oldest item of the
// owner that Pool.Largest names, or, if there is none, the oldest of all. It returns nil if the
// queue is within its limit.
func (q *Queue[T]) Overflow() *Item[T] {
	if !q.pool.Over() {
		return nil
	}
	if o, ok := q.pool.Largest(); ok {
		return q.own[o].oldest
	}
	return q.all.oldest
}

// Len returns the number of entries in the queue.
func (q *Queue[T]) Len() int { return int(q.pool.Used()) }

// inAll and inOwn select one of an item's two pairs of links.
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
