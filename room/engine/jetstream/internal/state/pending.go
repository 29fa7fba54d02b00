package state

import (
	"cmp"
	"time"

	"webim/room/engine"
)

// A write is on its way to the store. It stands for several calls if they were coalesced.
type write struct {
	key      engine.Key
	subject  string
	version  uint64 // that the entry must have; or engine.AnyVersion
	expected uint64 // the sequence that the server compares; of a marker, if version is 0 and there is one
	sentTo   string // the incarnation of the stream when it was sent
	tries    int    // how often the server was asked for a marker
	ttl      time.Duration
	data     []byte
	dones    []func(uint64, error)
}

// key is the state of a key with writes that are not done.
type key struct {
	calls   int    // that are not done
	seen    uint64 // sequence of the last message of the key that the feed has brought since then
	waiting []waiter
	busy    bool   // a write with engine.AnyVersion was sent and not answered
	next    *write // the one that is sent after it; nil: none
}

// A waiter is a write that the server has answered, and that is done when the copy has the message with
// this sequence, or a later one of the key.
type waiter struct {
	seq   uint64
	err   error // that the write gets then
	until time.Time
	dones []func(uint64, error)
}

// end calls the callbacks.
func (w *waiter) end() {
	seq := w.seq
	if w.err != nil {
		seq = 0
	}
	for _, done := range w.dones {
		done(seq, w.err)
	}
}

// pending has the writes that are not done. Store.mu guards it.
type pending struct {
	keys  map[engine.Key]*key
	calls int // of all keys
}

// begin adds a write. It reports false if the write is not to be sent now: it waits for another of the same key.
func (p *pending) begin(w *write) (send bool) {
	k := p.keys[w.key]
	if k == nil {
		k = &key{}
		p.keys[w.key] = k
	}
	p.calls++
	k.calls++
	if w.version != engine.AnyVersion {
		return true
	}
	if k.busy {
		if k.next != nil {
			w.dones = append(k.next.dones, w.dones...)
		}
		k.next = w
		return false
	}
	k.busy = true
	return true
}

// answered says that the server has answered a write. The write is done if the copy has what the waiter names; otherwise it waits
// for that. next is the write that waited for this one, and is to be sent now.
func (p *pending) answered(w *write, as waiter, has bool) (done bool, next *write) {
	k := p.keys[w.key]
	if w.version == engine.AnyVersion {
		next, k.next = k.next, nil
		k.busy = next != nil
	}
	if has || k.seen >= as.seq {
		p.end(w.key, k, len(as.dones))
		return true, next
	}
	k.waiting = append(k.waiting, as)
	return false, next
}

// applied says that the copy has a message of a key, and returns the writes that are done by it.
func (p *pending) applied(name engine.Key, seq uint64) (ready []waiter) {
	k := p.keys[name]
	if k == nil {
		return nil
	}
	k.seen = max(k.seen, seq)
	return p.take(name, k, nil, func(w *waiter) bool { return w.seq <= seq })
}

// renewed says that the stream has another incarnation. Sequences of the former one say nothing any more, so the next tick ends the
// writes that wait for one.
func (p *pending) renewed() {
	for _, k := range p.keys {
		k.seen = 0
		for i := range k.waiting {
			w := &k.waiting[i]
			w.seq, w.err, w.until = 0, cmp.Or(w.err, engine.ErrUnknown), time.Time{}
		}
	}
}

// takeAll takes the waiters for which is reports true.
func (p *pending) takeAll(is func(*waiter) bool) (all []waiter) {
	for name, k := range p.keys {
		all = p.take(name, k, all, is)
	}
	return all
}

// take takes the waiters of a key for which is reports true, and appends them to all.
func (p *pending) take(name engine.Key, k *key, all []waiter, is func(*waiter) bool) []waiter {
	kept := k.waiting[:0]
	for i := range k.waiting {
		if w := k.waiting[i]; !is(&w) {
			kept = append(kept, w)
		} else {
			all = append(all, w)
			p.end(name, k, len(w.dones))
		}
	}
	clear(k.waiting[len(kept):])
	k.waiting = kept
	return all
}

// end says that so many calls for a key are done.
func (p *pending) end(name engine.Key, k *key, calls int) {
	p.calls -= calls
	if k.calls -= calls; k.calls == 0 {
		delete(p.keys, name)
	}
}
