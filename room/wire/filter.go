package wire

import (
	"bytes"
	"fmt"

	"github.com/centrifugal/protocol"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
)

// A filter of publications (SubscribeRequest.tf) is always refused, see Check, but the
// protocol module decodes it first, into a tree that takes a hundred times its bytes. So
// commands that are long enough for that to matter are searched for a filter before they
// are decoded.

// shortCommand is the length up to which a command is not searched: what it decodes to
// costs no more than a large message does.
const shortCommand = 512

// filterKeys are what the key of a filter looks like in JSON: the name itself, or one of
// its letters escaped. A command without any of them, which nearly all are, has none.
var filterKeys = [][]byte{[]byte(`"tf"`), []byte(`\u0074`), []byte(`\u0066`)}

// filtered returns, in place of a command with a filter, one that Check refuses in the
// same way; nil if the command has no filter.
func filtered(encoding Encoding, one []byte) (*protocol.Command, error) {
	if len(one) <= shortCommand {
		return nil, nil
	}
	var f filterSearch
	if encoding == JSON {
		if !bytes.Contains(one, filterKeys[0]) && !bytes.Contains(one, filterKeys[1]) && !bytes.Contains(one, filterKeys[2]) {
			return nil, nil
		}
		if err := f.inJSON(one); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	} else {
		f.inProtobuf(one)
	}
	asked := &protocol.SubscribeRequest{Tf: new(protocol.FilterNode)}
	switch {
	case f.subscribe:
		return &protocol.Command{Id: f.id, Subscribe: asked}, nil
	case f.connect:
		return &protocol.Command{Id: f.id, Connect: &protocol.ConnectRequest{Subs: map[string]*protocol.SubscribeRequest{Lobby: asked}}}, nil
	}
	return nil, nil
}

// filterSearch is what was found in a command.
type filterSearch struct {
	id                 uint32
	subscribe, connect bool // it has a filter there
}

// inJSON reads tokens, and makes nothing of them.
func (f *filterSearch) inJSON(one []byte) error {
	dec := jsontext.NewDecoder(bytes.NewReader(one))
	return members(dec, func(key string) error {
		switch key {
		case "id":
			id, err := dec.ReadToken()
			if err == nil && id.Kind() == '0' {
				f.id = uint32(id.Uint())
			}
			return err
		case "subscribe":
			return findFilter(dec, &f.subscribe)
		case "connect":
			return members(dec, func(key string) error {
				if key != "subs" {
					return dec.SkipValue()
				}
				return members(dec, func(string) error { return findFilter(dec, &f.connect) })
			})
		}
		return dec.SkipValue()
	})
}

// findFilter looks for a filter in a subscribe request.
func findFilter(dec *jsontext.Decoder, found *bool) error {
	return members(dec, func(key string) error {
		*found = *found || key == "tf" && dec.PeekKind() != 'n'
		return dec.SkipValue()
	})
}

// members calls f with each key of the object that comes next. f reads the value. Any
// other value is passed over.
func members(dec *jsontext.Decoder, f func(key string) error) error {
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		key, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := f(key.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// The numbers of the fields in which a filter may be, in Protobuf.
const (
	fieldID        = 1
	fieldConnect   = 4
	fieldSubscribe = 5
	fieldSubs      = 3 // of connect, a map
	fieldMapValue  = 2
	fieldFilter    = 13 // of subscribe
)

// inProtobuf passes over what is no message, and ends where something is malformed: the
// decoder comes no further.
func (f *filterSearch) inProtobuf(one []byte) {
	fields(one, func(field protowire.Number, value []byte) {
		switch field {
		case fieldID:
			id, _ := protowire.ConsumeVarint(value)
			f.id = uint32(id)
		case fieldSubscribe:
			f.subscribe = f.subscribe || hasField(value, fieldFilter)
		case fieldConnect:
			fields(value, func(field protowire.Number, entry []byte) {
				if field != fieldSubs {
					return
				}
				fields(entry, func(field protowire.Number, sub []byte) {
					f.connect = f.connect || field == fieldMapValue && hasField(sub, fieldFilter)
				})
			})
		}
	})
}

func hasField(message []byte, wanted protowire.Number) (has bool) {
	fields(message, func(field protowire.Number, _ []byte) { has = has || field == wanted })
	return has
}

// fields calls f with each field of a message. What has a length comes without it.
func fields(message []byte, f func(field protowire.Number, value []byte)) {
	for len(message) > 0 {
		field, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return
		}
		n := protowire.ConsumeFieldValue(field, kind, message[tag:])
		if n < 0 {
			return
		}
		value := message[tag : tag+n]
		if kind == protowire.BytesType {
			_, size := protowire.ConsumeVarint(value)
			value = value[max(0, size):]
		}
		f(field, value)
		message = message[tag+n:]
	}
}
