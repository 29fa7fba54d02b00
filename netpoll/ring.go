package netpoll

// ring is a list of tasks that grows to the most that was ever in it. The zero value
// is empty. Guarded by pool.mu.
type ring struct {
	tasks []task // len is a power of two
	head  int
	n     int
}

const ringMin = 1 << 10

func (q *ring) push(t task) {
	if q.n == len(q.tasks) {
		q.resize(max(ringMin, 2*len(q.tasks)))
	}
	q.tasks[(q.head+q.n)&(len(q.tasks)-1)] = t
	q.n++
}

// pop takes the first task, which must be there.
func (q *ring) pop() (t task) {
	t = q.tasks[q.head]
	q.tasks[q.head] = task{}
	q.head = (q.head + 1) & (len(q.tasks) - 1)
	q.n--
	return t
}

// shrink frees the memory of an empty list that was long before.
func (q *ring) shrink() {
	if q.n == 0 && len(q.tasks) > ringMin {
		q.resize(ringMin)
	}
}

func (q *ring) resize(size int) {
	tasks := make([]task, size)
	for i := range q.n {
		tasks[i] = q.tasks[(q.head+i)&(len(q.tasks)-1)]
	}
	q.tasks, q.head = tasks, 0
}
