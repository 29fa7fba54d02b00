package ws

import (
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// permessage-deflate (RFC 7692) is offered without context takeover in either direction. Each message is independent of
// those before it, so an idle client keeps no window, and a message that goes to many clients is inflated once.

const (
	DeflateOffer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

	// DeflateTail is the four bytes that a sender removes from each message (section 7.2.1), and an empty last block, which
	// ends the stream.
	DeflateTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

	// RSV1 marks a compressed message, in the first byte of its first frame.
	RSV1 = 0x40
)

var errDeflate = errors.New("compressed message that is not valid, or inflates to more than 64 MB")

// deflaters are shared by all senders, because each takes about 1 MB.
var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // no error for a known level
	return w
}}

// AppendDeflated appends b to dst in compressed form.
func AppendDeflated(dst, b []byte) []byte {
	out := bytes.NewBuffer(dst)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(out)
	_, _ = w.Write(b) // a bytes.Buffer does not fail
	_ = w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte(DeflateTail[:4]))
}

// Inflater inflates messages for the clients of one thread. It remembers the last results by content, because all clients
// of a room receive the same bytes. An Inflater belongs to one goroutine.
type Inflater struct {
	r     io.ReadCloser
	buf   bytes.Buffer
	seed  maphash.Seed
	cache [64]inflated
}

type inflated struct {
	packed []byte
	head   [HeadBytes]byte
	length int
}

func NewInflater() *Inflater { return &Inflater{r: flate.NewReader(nil), seed: maphash.MakeSeed()} }

// open stores the beginning and the length of the compressed message packed in ev.
func (i *Inflater) open(packed []byte, ev *Event) error {
	e := &i.cache[maphash.Bytes(i.seed, packed)%uint64(len(i.cache))]
	if len(packed) == 0 || !bytes.Equal(e.packed, packed) {
		i.buf.Reset()
		if err := i.inflate(packed); err != nil {
			e.packed = e.packed[:0]
			return err
		}
		e.packed, e.length, e.head = append(e.packed[:0], packed...), i.buf.Len(), [HeadBytes]byte{}
		copy(e.head[:], i.buf.Bytes())
	}
	ev.Len, ev.Head = e.length, e.head
	return nil
}

func (i *Inflater) inflate(packed []byte) error {
	const most = 64 << 20
	in := io.MultiReader(bytes.NewReader(packed), bytes.NewReader([]byte(DeflateTail)))
	_ = i.r.(flate.Resetter).Reset(in, nil) // never fails without a dictionary
	if n, err := io.Copy(&i.buf, io.LimitReader(i.r, most+1)); err != nil || n > most {
		return errDeflate
	}
	return nil
}
