package memory

import (
	"iter"
	"math"
	"slices"

	"webim/room/engine"
)

// subscribers iterates over the subscribers of the topic. The caller holds t.mu.
func (t *topic) subscribers() iter.Seq[engine.Subscriber] {
	return func(yield func(engine.Subscriber) bool) {
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

// addOther adds a further subscriber. The caller holds t.mu.
func (t *topic) addOther(s engine.Subscriber) {
	if t.others == nil {
		t.others = new([]engine.Subscriber)
	}
	*t.others = append(*t.others, s)
}

// unsubscribe removes s, if it is a subscriber of the topic. If s was sub, the first of the others
// replaces it. The caller holds t.mu.
func (t *topic) unsubscribe(s engine.Subscriber) {
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

// recent is a list of topics in the order of their last use. A topic that has members and no
// history may be missing, because there is nothing to forget.
type recent struct{ oldest, newest *topic }

// notRecent is the value of topic.touched for a topic that is not in the list.
const notRecent = math.MinInt64

// touch makes a topic the newest in the list.
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

// remove removes a topic, if it is in the list.
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
