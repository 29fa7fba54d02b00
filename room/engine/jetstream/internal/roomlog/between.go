package roomlog

import (
	"errors"
	"slices"
	"sync"

	"webim/room/engine/jetstream/internal/logread"
)

// walks is how many parts of a range are read at the same time. Most of the time of a request is its way through the
// goroutines of the client library and of the server; the rest is for a block that the server has to read.
const walks = 4

// between returns the publications from an offset up to another one, the newest first. whole is false if there
// are more than most: then it returns the oldest of them.
func (s *Scan) between(from, before uint64, most int) (all []found, whole bool, err error) {
	all, whole, err = s.walk(from, before, 1)
	if err != nil || len(all) == 0 {
		return nil, whole, err
	}
	from = all[0].Offset + 1
	var parts [walks]struct {
		all   []found
		whole bool
		err   error
	}
	var running sync.WaitGroup
	step := (before-from)/walks + 1
	for i := range parts {
		begin, end := min(from+uint64(i)*step, before), min(from+uint64(i+1)*step, before)
		running.Go(func() { parts[i].all, parts[i].whole, parts[i].err = s.walk(begin, end, most) })
	}
	running.Wait()
	whole = true
	for i := 0; i < len(parts) && whole; i++ {
		if parts[i].err != nil {
			return nil, false, parts[i].err
		}
		all, whole = append(all, parts[i].all...), parts[i].whole
	}
	if len(all) > most {
		all, whole = all[:most], false
	}
	slices.Reverse(all)
	return all, whole, nil
}

// walk returns the publications from an offset up to another one, the oldest first. whole is false if there may be more
// than most.
func (s *Scan) walk(from, before uint64, most int) (all []found, whole bool, err error) {
	for from < before && len(all) < most {
		one, err := s.next(from)
		switch {
		case errors.Is(err, logread.ErrNone) || err == nil && one.Offset >= before:
			return all, true, nil
		case err != nil:
			return nil, false, err
		}
		all = append(all, one)
		from = one.Offset + 1
	}
	return all, from >= before, nil
}
