// Package tally counts the messages in the log of a room, from the newest one, so that a reader finds how
// many of them a room keeps. The server can only count publications: messages and events together.
//
// A Tally counts in blocks. So publications that have become too old leave it again, and a count costs the
// reading of one block. It grows with the log: each publication is read once.
//
// Package tally imports nothing of webim. A Tally is not safe for concurrent use.
package tally

import (
	"errors"
	"slices"
)

// ErrNone is the error of a Next if there is no such publication.
var ErrNone = errors.New("tally: no such publication")

// Next returns the offset of the first publication that has this offset or a higher one, and whether it is
// a message.
type Next func(offset uint64) (at uint64, isMessage bool, err error)

// blockSize is the number of publications in a block, and maxBlocks the number of blocks of a Tally. The oldest
// ones are forgotten above it.
const (
	blockSize = 64
	maxBlocks = 1024
)

// Tally has the number of messages in each part of a log.
type Tally struct {
	blocks []block
	from   uint64 // it begins with this offset
	upTo   uint64 // the publications up to this offset are counted
}

// block are some publications that follow each other.
type block struct {
	from         uint64 // the offset of the first one
	publications int
	messages     int
}

// From returns a Tally that begins with this offset.
func From(offset uint64) *Tally { return &Tally{from: offset, upTo: max(offset, 1) - 1} }

// Extend counts the publications up to an offset that were not counted yet.
func (t *Tally) Extend(top uint64, next Next) error {
	for t.upTo < top {
		at, isMessage, err := next(t.upTo + 1)
		if errors.Is(err, ErrNone) || err == nil && at > top {
			t.upTo = top
			return nil
		}
		if err != nil {
			return err
		}
		t.add(at, isMessage)
	}
	return nil
}

func (t *Tally) add(at uint64, isMessage bool) {
	if len(t.blocks) == maxBlocks && t.blocks[maxBlocks-1].publications == blockSize {
		t.blocks = slices.Delete(t.blocks, 0, maxBlocks/4)
		t.from = t.blocks[0].from
	}
	if n := len(t.blocks); n == 0 || t.blocks[n-1].publications == blockSize {
		t.blocks = append(t.blocks, block{from: at})
	}
	b := &t.blocks[len(t.blocks)-1]
	b.publications++
	if isMessage {
		b.messages++
	}
	t.upTo = at
}

// Edge returns the offset from which the log has not more than so many messages, or the beginning of the
// Tally if that is later.
func (t *Tally) Edge(most int, next Next) (offset uint64, err error) {
	for i, b := range slices.Backward(t.blocks) {
		if b.messages > most {
			return t.find(i, most, next)
		}
		most -= b.messages
	}
	return t.from, nil
}

// find returns the offset from which a block has not more than so many messages. Some of those that were counted
// may be too old by now.
func (t *Tally) find(i, most int, next Next) (offset uint64, err error) {
	end := t.upTo + 1
	if i+1 < len(t.blocks) {
		end = t.blocks[i+1].from
	}
	var all []uint64
	for seq := t.blocks[i].from; seq < end; {
		at, isMessage, err := next(seq)
		if errors.Is(err, ErrNone) || err == nil && at >= end {
			break
		}
		if err != nil {
			return 0, err
		}
		if isMessage {
			all = append(all, at)
		}
		seq = at + 1
	}
	if len(all) <= most {
		return t.blocks[i].from, nil
	}
	return all[len(all)-most-1] + 1, nil
}
