package sched

// ring is a list of tasks that grows to the most that was ever in it. The zero value is empty. List.mu
// guards it.
type ring[T any] struct {
	tasks []task[T] // len is a power of two
	head  int
	n     int
}

const ringMin = 1 << 10

func (q *ring[T]) push(t task[T]) {
	if q.n == len(q.tasks) {
		q.resize(max(ringMin, 2*len(q.tasks)))
	}
	q.tasks[(q.head+q.n)&(len(q.tasks)-1)] = t
	q.n++
}

// pop takes the first task, which must be there.
func (q *ring[T]) pop() (t task[T]) {
	t = q.tasks[q.head]
	q.tasks[q.head] = task[T]{}
	q.head = (q.head + 1) & (len(q.tasks) - 1)
	q.n--
	return t
}

// shrink frees the memory of an empty list that was long before.
func (q *ring[T]) shrink() {
	if q.n == 0 && len(q.tasks) > ringMin {
		q.resize(ringMin)
	}
}

func (q *ring[T]) resize(size int) {
	tasks := make([]task[T], size)
	for i := range q.n {
		tasks[i] = q.tasks[(q.head+i)&(len(q.tasks)-1)]
	}
	q.tasks, q.head = tasks, 0
}
