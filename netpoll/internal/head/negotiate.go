package head

import (
	"crypto/sha1"
	"encoding/base64"
	"slices"

	"github.com/gobwas/httphead"
)

// Offer is the server's side of a negotiation.
type Offer struct {
	Subprotocols []string // that the server speaks, in no order
	// Subprotocol is the one that the handler has chosen, if Chosen is set. It is used if the client
	// asks for it.
	Subprotocol string
	Chosen      bool
	NoDeflate   bool
	Extra       []byte // more header lines of the answer, each with its end
}

// Negotiate chooses from the client's subprotocols and extensions and appends the answer 101 to
// answer. The head has passed CheckUpgrade. It returns the subprotocol, "" for none.
func (h *Head) Negotiate(offer Offer, answer []byte) (_ []byte, subprotocol string, ext Extension, err *Error) {
	subprotocol, ok := h.chooseProtocol(offer)
	if !ok || !offer.NoDeflate && !h.chooseExtension(&ext) {
		return nil, "", ext, errLists
	}
	key, _ := h.Get("Sec-WebSocket-Key")
	answer = append(appendAccept(append(answer, switching...), key), crlf...)
	if subprotocol != "" {
		answer = append(append(append(answer, "Sec-WebSocket-Protocol: "...), subprotocol...), crlf...)
	}
	if ext.Deflate {
		answer = append(ext.appendAnswer(append(answer, "Sec-WebSocket-Extensions: "...)), crlf...)
	}
	return append(append(answer, offer.Extra...), crlf...), subprotocol, ext, nil
}

// switching is the answer up to the value of its key.
const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

// appendAccept appends the value of Sec-WebSocket-Accept for a key of keyLen bytes.
func appendAccept(b, key []byte) []byte {
	var text [keyLen + len(acceptGUID)]byte
	copy(text[copy(text[:], key):], acceptGUID)
	sum := sha1.Sum(text[:])
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 1.3

// chooseProtocol chooses the first of the client's subprotocols that the server speaks, or the one
// that the handler has chosen. ok is false if a header line is malformed.
func (h *Head) chooseProtocol(offer Offer) (chosen string, ok bool) {
	for _, f := range h.fields {
		if chosen != "" || !f.is("Sec-WebSocket-Protocol") {
			continue
		}
		list := h.elements(f.value)
		ok := len(list) == 0 || httphead.ScanTokens(list, func(p []byte) bool {
			if !offer.Chosen {
				chosen = known(offer.Subprotocols, p)
			} else if string(p) == offer.Subprotocol {
				chosen = offer.Subprotocol
			}
			return chosen == ""
		})
		if !ok {
			return "", false
		}
	}
	return chosen, true
}

// known returns the element of all that is equal to name, or "". It saves the allocation of a
// string.
func known(all []string, name []byte) string {
	if i := slices.IndexFunc(all, func(p string) bool { return string(name) == p }); i >= 0 {
		return all[i]
	}
	return ""
}

// chooseExtension gives ext the client's offers of extensions one by one, in the client's order of
// preference. ok is false if a header line is malformed.
func (h *Head) chooseExtension(ext *Extension) (ok bool) {
	for _, f := range h.fields {
		if !f.is("Sec-WebSocket-Extensions") {
			continue
		}
		list := h.elements(f.value)
		if len(list) == 0 {
			continue
		}
		offer, index := httphead.Option{}, -1
		ok := httphead.ScanOptions(list, func(i int, name, attr, val []byte) httphead.Control {
			if i != index {
				ext.consider(offer)
				offer, index = httphead.Option{Name: name}, i
			}
			if attr != nil {
				offer.Parameters.Set(attr, val)
			}
			return httphead.ControlContinue
		})
		if !ok {
			return false
		}
		ext.consider(offer)
	}
	return true
}
