package relay

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
)

// maxLine is the longest control line in bytes. The INFO of a large cluster is longer than other lines.
const maxLine = 256 << 10

// copyMessages copies the stream from a NATS server to a client, and leaves out the messages that Drop chooses:
//
//	MSG  <subject> <sid> [reply-to] <bytes>\r\n<payload>\r\n
//	HMSG <subject> <sid> [reply-to] <header bytes> <total bytes>\r\n<headers and payload>\r\n
//
// All other lines have no payload.
func (r *Relay) copyMessages(to io.Writer, from io.Reader) error {
	in, out := bufio.NewReaderSize(from, maxLine), bufio.NewWriterSize(to, 64<<10)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		subject, size, isMessage := message(line)
		switch {
		case !isMessage:
			_, err = out.Write(line)
		case r.drops(subject):
			_, err = io.CopyN(io.Discard, in, size)
		default:
			if _, err = out.Write(line); err == nil {
				_, err = io.CopyN(out, in, size)
			}
		}
		if err == nil && in.Buffered() == 0 {
			err = out.Flush()
		}
		if err != nil {
			return err
		}
	}
}

// message reads the control line of a message, and returns the number of bytes that follow it.
func message(line []byte) (subject string, size int64, ok bool) {
	f := bytes.Fields(line)
	if len(f) < 4 || string(f[0]) != "MSG" && string(f[0]) != "HMSG" {
		return "", 0, false
	}
	n, err := strconv.ParseInt(string(f[len(f)-1]), 10, 64)
	return string(f[1]), n + int64(len("\r\n")), err == nil && n >= 0
}

// drops reports whether a message is left out, and counts it.
func (r *Relay) drops(subject string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.drop == nil || !r.drop(subject) {
		return false
	}
	r.dropped++
	return true
}
