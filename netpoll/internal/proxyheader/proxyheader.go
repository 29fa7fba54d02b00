// Package proxyheader reads the header of the PROXY protocol, versions 1 and 2, with which a proxy begins a connection
// to name its client.
//
// The bytes may arrive in pieces, so Length finds the end of the header first. The package
// github.com/pires/go-proxyproto reads its contents.
package proxyheader

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"
)

// Max is the maximum length of a header in bytes. Proxies send up to 107 bytes in version 1, and in version 2 some
// hundred: addresses, and values such as the name that the client asked for in TLS.
const Max = 2048

const (
	maxLine = 107                      // of version 1, with its end
	prefix  = 16                       // of version 2: signature, command, family, length of the rest
	line    = "PROXY "                 // how version 1 begins
	binary2 = "\r\n\r\n\x00\r\nQUIT\n" // how version 2 begins
)

// The errors of headers, as parts of sentences.
var (
	ErrMissing = errors.New("no header came")
	errTooLong = fmt.Errorf("the header has more than %d bytes", Max)
	errNoEnd   = errors.New("the line does not end after 107 bytes")
)

// Length returns the length of the header at the beginning of b, or 0 while it is not complete. The error is
// ErrMissing if b does not begin with a header.
func Length(b []byte) (n int, err error) {
	switch begins := func(with string) bool { return strings.HasPrefix(with, string(b[:min(len(b), len(with))])) }; {
	case begins(line) && len(b) >= len(line):
		if i := bytes.IndexByte(b[:min(len(b), maxLine)], '\n'); i >= 0 {
			return i + 1, nil
		} else if len(b) >= maxLine {
			return 0, errNoEnd
		}
		return 0, nil
	case begins(binary2) && len(b) >= prefix:
		if n = prefix + int(binary.BigEndian.Uint16(b[prefix-2:])); n > Max {
			return 0, errTooLong
		} else if n > len(b) {
			return 0, nil
		}
		return n, nil
	case begins(line), begins(binary2):
		return 0, nil
	}
	return 0, ErrMissing
}

// Client returns the client that a complete header names. It is not valid if the header names none that has an address:
// the proxy itself connects, to see whether the server lives, or it does not know its client's address.
func Client(header []byte) (client netip.AddrPort, err error) {
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(header), Max))
	if err != nil {
		return client, errors.New(strings.TrimPrefix(err.Error(), "proxyproto: "))
	}
	if from, ok := h.SourceAddr.(*net.TCPAddr); ok && h.Command.IsProxy() {
		addr := from.AddrPort()
		client = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	return client, nil
}
