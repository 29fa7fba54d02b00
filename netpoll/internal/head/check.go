package head

import (
	"encoding/base64"
	"net/http"
)

// IsUpgrade reports whether the request asks for a WebSocket.
func (h *Head) IsUpgrade() bool { return h.HasToken("Upgrade", "websocket") }

// CheckUpgrade returns the answer to an upgrade that breaks RFC 6455, section 4.2.1, or nil. It does
// not look at Origin.
func (h *Head) CheckUpgrade() *Error {
	_, hosts := h.Get("Host")
	version, versions := h.Get("Sec-WebSocket-Version")
	key, keys := h.Get("Sec-WebSocket-Key")
	_, lengths := h.Get("Content-Length")
	_, encodings := h.Get("Transfer-Encoding")
	switch {
	case string(h.Proto) != "HTTP/1.1":
		return errHTTPVersion
	case string(h.Method) != http.MethodGet:
		return errMethod
	case hosts != 1:
		return ErrHost
	case lengths+encodings > 0 && !h.emptyBody():
		return errBody
	case !h.HasToken("Connection", "upgrade"):
		return errConnection
	case versions == 0:
		return errNoVersion
	case versions > 1 || string(version) != "13":
		return errVersion
	case keys != 1 || !validKey(key):
		return errKey
	}
	return nil
}

func (h *Head) emptyBody() bool {
	length, n := h.Get("Content-Length")
	_, encodings := h.Get("Transfer-Encoding")
	return encodings == 0 && n == 1 && string(length) == "0"
}

// keyLen is the length of Sec-WebSocket-Key: 16 bytes in base64.
const keyLen = 24

func validKey(key []byte) bool {
	var b [18]byte
	n, err := base64.StdEncoding.Decode(b[:], key[:min(len(key), keyLen)])
	return len(key) == keyLen && err == nil && n == 16
}
