package roomlog

import (
	"errors"
	"fmt"
	"time"

	"webim/room/engine"
	"webim/room/engine/jetstream/internal/logread"
)

// Any server of a cluster may answer a read, also one that is behind. It has the beginning of the log without holes. So the
// next publication that it names is right; but if it names none, although the log has more, it is behind, and the end that it
// calls the newest one before an offset may not be that.
//
// So a read that only shows publications asks again, as the scans here do, and one that decides for good asks the leader: what is
// removed, what counts as removed, and what has to be overwritten (logread.Leader). Counts (tallies.go) may lack the newest
// publications: then a history has a few more of the oldest ones than the room keeps.

// The times that a server which is behind is asked again, and the pause between them.
const (
	behindTries = 50
	behindPause = 20 * time.Millisecond
)

// next returns the first publication from an offset on; ErrNone only above the top.
func (s *Scan) next(offset uint64) (found, error) { return s.open(s.stored(offset)) }

// stored returns the message of that publication, or its stub.
func (s *Scan) stored(offset uint64) (logread.Stored, error) {
	for range behindTries {
		one, err := s.Next(offset)
		if !errors.Is(err, logread.ErrNone) || offset > s.top.Offset {
			return one, err
		}
		if is, _ := s.epoch(); is != s.Top.Epoch {
			return logread.Stored{}, errGone
		}
		if gone, err := s.Expired(); err == nil && gone >= s.top.Offset {
			return logread.Stored{}, errGone
		}
		select {
		case <-time.After(behindPause):
		case <-s.r.ctx.Done():
			return logread.Stored{}, engine.ErrUnavailable
		}
	}
	return logread.Stored{}, fmt.Errorf("%w: the server that answers is behind", engine.ErrUnavailable)
}
