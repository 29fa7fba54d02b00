package keys

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"webim/room/engine/jetstream/internal/seal"
	"webim/room/engine/jetstream/internal/streams"
	"webim/room/engine/jetstream/internal/subject"
)

// A user has one key. But a restored history may need another one: the key of then was removed because no text needed it any
// more, and the user has got a new one since. It is stored beside the other, as a further key, which a text names by its id. So a
// user's keys have the numbers 0, that of the user's own key, and from 1 on those of backups. A note at the stream has the
// highest number that was ever used: in most stores 0, so nobody looks for further keys there. An older webim would neither find
// nor erase these keys, so it is refused from then on.

const noteFurther = "webim-further-keys"

// further returns the highest number of a key.
func further(s jetstream.Stream) uint64 {
	n, _ := strconv.ParseUint(streams.Note(s, noteFurther), 10, 31)
	return n
}

// furtherPrefix begins the subjects of further keys, after which the number and the user's token come. No subject of a user's own
// key begins so: see package subject.
const furtherPrefix = prefix + "=further-"

// subjectOf returns the subject of a key of a user.
func subjectOf(user string, number uint64) string {
	if number == 0 {
		return prefix + subject.Token(user)
	}
	return furtherPrefix + strconv.FormatUint(number, 10) + "-" + subject.Token(user)
}

// userOf returns the user to whom the key with a subject belongs.
func userOf(name string) (user string, err error) {
	token, is := strings.CutPrefix(name, furtherPrefix)
	if is {
		_, token, _ = strings.Cut(token, "-")
	} else {
		token = strings.TrimPrefix(name, prefix)
	}
	return subject.Parse(token)
}

// subjects returns the subjects of all keys that a user may have.
func (s *Store) subjects(user string) (all []string) {
	for n := range s.further.Load() + 1 {
		all = append(all, subjectOf(user, n))
	}
	return all
}

// Restore stores a key of a backup, unless the store has it. If the user has another key, both are there. No node may use the
// store. It may wait.
func (s *Store) Restore(ctx context.Context, user string, record []byte) (added bool, err error) {
	id, ok := seal.RecordID(record)
	if !ok {
		return false, seal.ErrRecord
	}
	has := func(name string) (bool, error) {
		one, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		defer cancel()
		is, err := s.sure(one, name)
		isID, ok := seal.RecordID(is.Data)
		return ok && isID == id, err
	}
	for _, name := range s.subjects(user)[1:] {
		if is, err := has(name); is || err != nil {
			return false, err
		}
	}
	for n := uint64(0); ; n++ {
		if n > s.further.Load() {
			if err := s.useFurther(ctx, n); err != nil {
				return false, err
			}
		}
		created, err := s.create(ctx, subjectOf(user, n), record, "")
		if created || err != nil {
			return created, err
		}
		if is, err := has(subjectOf(user, n)); is || err != nil {
			return false, err
		}
	}
}

// useFurther notes that there are keys with this number.
func (s *Store) useFurther(ctx context.Context, number uint64) error {
	err := s.opener.RefuseOlder(ctx, Stream)
	if err == nil {
		err = s.opener.SetNote(ctx, s.stream, noteFurther, strconv.FormatUint(number, 10))
	}
	if err != nil {
		return fmt.Errorf("keys: noting that a user has several keys: %w", err)
	}
	raise(&s.further, number)
	return nil
}
