package streams

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// In a cluster, one server knows all streams: the leader of the servers. Another one may lead them already, and this one
// has not noticed it yet. A stream that is missing in its list would be missing in a backup, or the keys that its texts need
// would be removed. So a proof is in the list: a stream that was made for it. A server that has this one has all that were made
// before it. It is the marker of package logread, for streams.

// proofName has the names of these streams, with the time of the proof in seconds.
var proofName = regexp.MustCompile(`^WEBIM_PROOF_([0-9]{1,18})_[A-Z2-7]{12}$`)

// proofAge is the age after which a stream of a proof is deleted that has stayed because its node has ended. It is more than
// the clocks of nodes differ.
const proofAge = time.Hour

// ErrBehind: the server that lists the streams lacks some.
var ErrBehind = errors.New("streams: the server that answers does not have all streams")

// Names returns the names of all streams that begin with prefix. It is an error if it is not certain that these are all.
func (o *Opener) Names(ctx context.Context, prefix string) (names []string, err error) {
	if o.Sole != nil {
		all, err := o.list(ctx, prefix)
		return all, errors.Join(err, o.Sole())
	}
	proof := fmt.Sprint("WEBIM_PROOF_", time.Now().Unix(), "_", rand.Text()[:12])
	_, err = o.JS.CreateStream(ctx, jetstream.StreamConfig{Name: proof, Description: "webim: proves that a list of streams has all; it is deleted at once", Storage: jetstream.FileStorage, MaxMsgs: 1})
	if err != nil {
		return nil, fmt.Errorf("streams: proving that the list of streams is complete: %w", err)
	}
	defer func() { _ = o.JS.DeleteStream(context.WithoutCancel(ctx), proof) }() // otherwise a later list does it
	all, err := o.list(ctx, "")
	if err != nil {
		return nil, err
	}
	found := false
	for _, name := range all {
		switch of := proofName.FindStringSubmatch(name); {
		case name == proof:
			found = true
		case of != nil && isOld(of[1]):
			_ = o.JS.DeleteStream(ctx, name)
		case of == nil && strings.HasPrefix(name, prefix):
			names = append(names, name)
		}
	}
	if !found {
		return nil, ErrBehind
	}
	return names, nil
}

// isOld reports whether a time in seconds is long ago.
func isOld(at string) bool {
	seconds, err := strconv.ParseInt(at, 10, 64)
	return err == nil && time.Since(time.Unix(seconds, 0)) > proofAge
}

// list returns the names of streams that begin with prefix, as the server that answers knows them.
func (o *Opener) list(ctx context.Context, prefix string) (names []string, err error) {
	all := o.JS.StreamNames(ctx)
	for name := range all.Name() {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	if err := all.Err(); err != nil && !errors.Is(err, jetstream.ErrEndOfData) {
		return nil, fmt.Errorf("streams: listing the streams: %w", err)
	}
	return names, nil
}
