package gate

import "sync"

// Line has the functions that wait for something, in their order. The lock of its owner guards it.
type Line []func(error)

// Call calls the functions, one after the other, with err. The lock is held when Call begins and ends, and not while it calls
// one. Until the last one was called, it is in the Line, so that others line up behind it. more, if not nil, is asked before
// each, with the lock held, whether to go on.
func (l *Line) Call(lock sync.Locker, err error, more func() bool) {
	for len(*l) > 0 && (more == nil || more()) {
		next := (*l)[0]
		lock.Unlock()
		next(err)
		lock.Lock()
		(*l)[0] = nil
		if *l = (*l)[1:]; len(*l) == 0 {
			*l = nil
		}
	}
}
