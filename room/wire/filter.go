package wire

import (
	"bytes"
	"fmt"

	"github.com/centrifugal/protocol"
	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protowire"
)

// The server always refuses a filter of publications (SubscribeRequest.tf), see Check. But the
// protocol module decodes it first, into a tree that takes a hundred times its bytes. So if a
// command is long enough for that to matter, the server searches it for a filter before it decodes
// it.

// shortCommand is the length up to which a command is not searched, because decoding it costs no
// more than decoding a large message.
const shortCommand = 512

// filterKeys are the forms of a filter's key in JSON: the name itself, or an escape of one of its
// letters. Nearly all commands have none of them, and thus no filter.
var filterKeys = [][]byte{[]byte(`"tf"`), []byte(`\u0074`), []byte(`\u0066`)}

// filtered returns a small command that Check refuses in the same way as a command with a filter.
// It returns nil if one has no filter.
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

// filterSearch is the result of searching a command.
type filterSearch struct {
	id                 uint32
	subscribe, connect bool // whether this request has a filter
}

// inJSON searches JSON token by token, without decoding values.
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

// members calls f with each key of the next object. f must read the value. members skips any other
// value.
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

// The numbers of the Protobuf fields that may contain a filter.
const (
	fieldID        = 1
	fieldConnect   = 4
	fieldSubscribe = 5
	fieldSubs      = 3 // of connect; a map
	fieldMapValue  = 2
	fieldFilter    = 13 // of subscribe
)

// inProtobuf searches Protobuf. It ignores fields that are not messages, and stops at malformed
// input, where the decoder stops too.
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

// fields calls f with each field of a message. A value with a length prefix comes without the
// prefix.
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
