// Package tlsmem runs crypto/tls over memory, so that an idle connection with TLS needs no goroutine
// and no read that waits.
//
//	file         contents
//	conn.go      Conn: ciphertext in and out, and its counts
//	state.go     Conn: the handshake, the end, and the time with net/http
//	transport.go the net.Conn that crypto/tls and net/http use
//	hello.go     whether a whole ClientHello has arrived
//
// The caller feeds in the ciphertext that it has read from a socket, and writes the ciphertext that
// crypto/tls has made when the socket takes it. After the handshake, crypto/tls can repeat a read
// that found nothing. During the handshake it cannot, so a handshake needs a goroutine while it
// lasts, which waits for more ciphertext.
//
// # Words
//
//	word        meaning
//	ciphertext  the bytes on the socket: TLS records
//	plaintext   the bytes for the protocol above TLS
//	record      a unit of TLS: 5 bytes of header, and at most 18 KB
//	input       ciphertext that has arrived and is not decrypted
//	output      ciphertext that waits to be written
//	waste       ciphertext that brought no plaintext, such as key updates and padding
//	direct      reads and writes go to a socket that net/http has, not to memory
//
// # Lock order
//
//	Conn.mu  Owner's methods are called under it, except Flush
package tlsmem
