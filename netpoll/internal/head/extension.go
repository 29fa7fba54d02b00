package head

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws/wsflate"
)

// Extension is the result of negotiating extensions: the first permessage-deflate that the server
// can do is accepted. wsflate.Extension would fail the handshake at an offer with an unknown
// parameter. RFC 7692, section 7, wants such an offer declined, and the next one looked at.
type Extension struct {
	Deflate bool // permessage-deflate is accepted
	Small   bool // with a window of less than 32 KiB for the server's messages

	bits wsflate.WindowBits // of that window, if the client asked for one
}

// consider accepts an offer if none is accepted yet and the server can do it.
func (e *Extension) consider(offer httphead.Option) {
	var p wsflate.Parameters
	if e.Deflate || string(offer.Name) != wsflate.ExtensionName || irregular(&offer) || p.Parse(offer) != nil {
		return
	}
	e.Deflate, e.bits = true, p.ServerMaxWindowBits
	e.Small = e.bits.Defined() && e.bits < 15
}

// appendAnswer appends the accepted extension with its parameters. The server keeps each of them. It
// must not answer a parameter that the offer does not have, except the two "no context takeover",
// which a server may always ask for.
func (e *Extension) appendAnswer(b []byte) []byte {
	b = append(b, wsflate.ExtensionName+";server_no_context_takeover;client_no_context_takeover"...)
	if e.bits.Defined() {
		b = strconv.AppendInt(append(b, ";server_max_window_bits="...), int64(e.bits), 10)
	}
	return b
}

// irregular reports errors that the parser of wsflate overlooks: two parameters of one name, of
// which it keeps the last, and numbers with a leading zero.
func irregular(offer *httphead.Option) (bad bool) {
	const count = 4 // of the parameters that RFC 7692 defines
	var seen [count][]byte
	n := 0
	offer.Parameters.ForEach(func(k, v []byte) bool {
		bad = n == count || len(v) > 0 && v[0] == '0' ||
			slices.ContainsFunc(seen[:n], func(s []byte) bool { return bytes.Equal(s, k) })
		if !bad {
			seen[n] = k
			n++
		}
		return !bad
	})
	return bad
}
