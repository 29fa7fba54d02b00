package entries

import (
	"slices"

	"webim/room/engine"
)

// Watch calls f with each entry of a table before and after a change, first with all that are there; a
// nil Value means that there is no entry. f must not call methods of s. stop ends it, and is called
// under the caller's lock, like each method.
func (s *Entries) Watch(table string, f func(was, is engine.Entry)) (stop func()) {
	s.watchers[table] = append(slices.Clip(s.watchers[table]), &f)
	for _, g := range s.tables[table] {
		for _, r := range g.byName {
			f(engine.Entry{Key: r.Key}, r.Entry)
		}
	}
	return func() {
		s.watchers[table] = slices.DeleteFunc(slices.Clone(s.watchers[table]), func(other *func(was, is engine.Entry)) bool { return other == &f })
	}
}

func (s *Entries) notify(was, is engine.Entry) {
	for _, f := range s.watchers[is.Table] {
		(*f)(was, is)
	}
}
