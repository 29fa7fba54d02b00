package room

import (
	"webim/netpoll"
	"webim/room/internal/encode"
	"webim/room/wire"
)

// A Kind says which frames a member takes, as one number: the dialect, the variant of the frames,
// and whether the member gets notices of joins and leaves.
type Kind uint8

const numKinds = 2 * encode.NumDialects * int(netpoll.NumVariants)

func kindOf(d encode.Dialect, v netpoll.Variant, notices bool) Kind {
	k := int(d)*int(netpoll.NumVariants) + int(v)
	if notices {
		k += numKinds / 2
	}
	return Kind(k)
}

// SessionKind returns the kind of the frames that a session takes. notices: it gets notices of
// joins and leaves.
func SessionKind(e wire.Encoding, v netpoll.Variant, notices bool) Kind {
	return kindOf(encode.DialectOf(e), v, notices)
}

func (k Kind) dialect() encode.Dialect {
	return encode.Dialect(int(k) / int(netpoll.NumVariants) % encode.NumDialects)
}

func (k Kind) variant() netpoll.Variant { return netpoll.Variant(int(k) % int(netpoll.NumVariants)) }

func (k Kind) notices() bool { return int(k) >= numKinds/2 }

// group is the members of a room that take one kind of frames, and their log. Guarded by Room.mu.
type group struct {
	log     *netpoll.Log
	shards  []*shard
	members int
}
