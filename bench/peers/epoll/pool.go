package main

// pool is the article's pool: at most size goroutines, started when there is work and kept.
type pool struct {
	room chan struct{}
	work chan func()
}

func newPool(size int) *pool {
	return &pool{room: make(chan struct{}, size), work: make(chan func())}
}

// schedule waits while all goroutines are busy. This stops the poller, and so slows down the senders.
func (p *pool) schedule(task func()) {
	select {
	case p.work <- task:
		return
	default:
	}
	select {
	case p.work <- task:
	case p.room <- struct{}{}:
		go p.worker(task)
	}
}

func (p *pool) worker(task func()) {
	for {
		task()
		task = <-p.work
	}
}
