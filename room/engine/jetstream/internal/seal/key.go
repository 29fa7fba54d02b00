package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"
)

// Overhead is the number of bytes by which a sealed text is longer than the text.
const Overhead = idSize + nonceSize + tagSize

const (
	idSize     = 8
	secretSize = 32
	nonceSize  = 12
	tagSize    = 16
)

// RecordSize is the size of a key in a Store, in bytes.
const RecordSize = idSize + secretSize

// The errors of keys and rings. Errors of the Store are returned as they are.
var (
	// ErrErased: the key of the text was deleted, so nobody can read the text.
	ErrErased = errors.New("seal: the key of the text was erased")
	// ErrDamaged: the text was changed, or belongs to another room, day or key.
	ErrDamaged = errors.New("seal: the sealed text is damaged")
	// ErrAsk: the ring does not have the answer in memory. ForOpening asks the store.
	ErrAsk = errors.New("seal: the key is not in memory")
	// ErrBusy: too many calls wait for the store.
	ErrBusy = errors.New("seal: too many calls wait for keys: try again later")
	// ErrShare: the user has no key, and none may be made now.
	ErrShare = errors.New("seal: no more keys for new users now: try again later")
	// ErrUnproven: the store has no key, but may have lost it only for a moment, so the text does not count as erased.
	ErrUnproven = errors.New("seal: a missing key cannot be confirmed")
	// ErrRecord: the store returned something that is not a key.
	ErrRecord = errors.New("seal: the stored key is damaged")
)

// Key is the key of a user. It is safe for concurrent use.
type Key struct {
	id     uint64
	secret [secretSize]byte
	last   atomic.Pointer[dayCipher] // the one that was used last
}

// dayCipher is the cipher of a day. To make one costs several times as much as to seal a chat message.
type dayCipher struct {
	day  int64
	aead cipher.AEAD
}

// newKey returns a random key.
func newKey() *Key {
	record := make([]byte, RecordSize)
	_, _ = rand.Read(record) // never fails
	k, _ := parseKey(record)
	return k
}

// parseKey decodes a key as the Store keeps it: the id and the secret.
func parseKey(record []byte) (*Key, error) {
	if len(record) != RecordSize {
		return nil, ErrRecord
	}
	return &Key{id: binary.BigEndian.Uint64(record), secret: [secretSize]byte(record[idSize:])}, nil
}

func (k *Key) record() []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, RecordSize), k.id), k.secret[:]...)
}

// ID returns the id of the key.
func (k *Key) ID() uint64 { return k.id }

// RecordID returns the id of a key as a Store keeps it. ok is false if the record is damaged.
func RecordID(record []byte) (id uint64, ok bool) {
	if len(record) != RecordSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(record), true
}

// KeyID returns the id of the key that opens a sealed text. The text must have at least Overhead bytes.
func KeyID(sealed []byte) uint64 { return binary.BigEndian.Uint64(sealed) }

// Seal appends the sealed form of text to dst. Open needs the same room and a time on the same day, in
// nanoseconds since 1970. dst and text must not overlap.
func (k *Key) Seal(dst, text []byte, room string, at int64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, k.id)
	return k.cipher(at).Seal(dst, nil, text, []byte(room))
}

// Open appends the text of a sealed text to dst. dst and sealed must not overlap. The error is ErrErased if it is the
// text of another key, otherwise ErrDamaged.
func (k *Key) Open(dst, sealed []byte, room string, at int64) ([]byte, error) {
	switch {
	case len(sealed) < Overhead:
		return nil, ErrDamaged
	case KeyID(sealed) != k.id:
		return nil, ErrErased
	}
	text, err := k.cipher(at).Open(dst, nil, sealed[idSize:], []byte(room))
	if err != nil {
		return nil, ErrDamaged
	}
	return text, nil
}

// Digest returns a hash of a text that nobody can compute without the key. From a plain hash of a short text,
// anybody could find the text by trying all short ones.
func (k *Key) Digest(text []byte) []byte {
	h := hmac.New(sha256.New, k.secret[:])
	h.Write([]byte("webim digest ")) // the keys of days are derived from texts that begin otherwise
	h.Write(text)
	return h.Sum(nil)
}

// cipher returns the cipher of a day, which chooses random nonces.
func (k *Key) cipher(at int64) cipher.AEAD {
	const length = int64(24 * time.Hour)
	day := at / length
	if at%length < 0 {
		day--
	}
	if c := k.last.Load(); c != nil && c.day == day {
		return c.aead
	}
	c := &dayCipher{day, newCipher(k.secret[:], day)}
	k.last.Store(c)
	return c.aead
}

// newCipher derives the key of a day, and returns its cipher.
func newCipher(secret []byte, day int64) cipher.AEAD {
	info := binary.BigEndian.AppendUint64([]byte("webim message key "), uint64(day))
	derived, err := hkdf.Expand(sha256.New, secret, string(info), secretSize)
	if err == nil {
		var block cipher.Block
		if block, err = aes.NewCipher(derived); err == nil {
			var aead cipher.AEAD
			if aead, err = cipher.NewGCMWithRandomNonce(block); err == nil {
				return aead
			}
		}
	}
	panic("seal: " + err.Error()) // the sizes are constants, so none of these can fail
}
