package room

import (
	"iter"
	"math"
	"slices"
)

// subscribers are those of the topic; t.mu is held.
func (t *topic) subscribers() iter.Seq[Subscriber] {
	return func(yield func(Subscriber) bool) {
		if t.sub == nil || !yield(t.sub) || t.others == nil {
			return
		}
		for _, s := range *t.others {
			if !yield(s) {
				return
			}
		}
	}
}

func (t *topic) hasSubscribers() bool { return t.sub != nil }

// addOther adds a subscriber besides sub; t.mu is held.
func (t *topic) addOther(s Subscriber) {
	if t.others == nil {
		t.others = new([]Subscriber)
	}
	*t.others = append(*t.others, s)
}

// unsubscribe takes out a subscriber, if it is one; t.mu is held. The first of the
// others takes the place of sub.
func (t *topic) unsubscribe(s Subscriber) {
	all := slices.Collect(t.subscribers())
	i := slices.Index(all, s)
	if i < 0 {
		return
	}
	all = slices.Delete(all, i, i+1)
	t.sub, t.others = nil, nil
	if len(all) > 0 {
		t.sub = all[0]
	}
	for _, one := range all[min(1, len(all)):] {
		t.addOther(one)
	}
}

// recent are topics in the order in which they were touched. A topic that has members
// and remembers nothing may be missing: there is nothing to forget.
type recent struct{ oldest, newest *topic }

// notRecent is the time of a topic that is not in the list.
const notRecent = math.MinInt64

// touch makes a topic the newest.
func (l *recent) touch(t *topic, now int64) {
	if l.newest != t {
		l.remove(t)
		if t.older = l.newest; t.older != nil {
			t.older.newer = t
		} else {
			l.oldest = t
		}
		l.newest = t
	}
	t.touched = now
}

// remove takes a topic out, if it is there.
func (l *recent) remove(t *topic) {
	if t.touched == notRecent {
		return
	}
	if t.older != nil {
		t.older.newer = t.newer
	} else {
		l.oldest = t.newer
	}
	if t.newer != nil {
		t.newer.older = t.older
	} else {
		l.newest = t.older
	}
	t.older, t.newer, t.touched = nil, nil, notRecent
}
