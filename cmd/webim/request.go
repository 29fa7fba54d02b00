package main

import (
	"net/http"
	"os"

	"webim/cmd/webim/internal/operator"
)

// A request is a request of an operator to the goroutine of run.
type request struct {
	by     string
	answer chan<- answer // nil: nobody waits
}

// reply answers the request. It is called once.
func (q request) reply(a answer) {
	if q.answer != nil {
		q.answer <- a
	}
}

type answer struct {
	text string
	err  error
}

// An upgradeRequest is a request of an operator for an upgrade.
type upgradeRequest struct {
	request
	inPlace bool   // in the same process, whatever the settings say
	asker   *asker // nil: nobody waits
}

// fileAsker is the name of the file of a handover that is the connection of an asker.
const fileAsker = "asker"

// An asker is the connection on which webim upgrade waits for the verdict. Only its methods use w.
type asker struct {
	w    http.ResponseWriter
	file *os.File // the connection itself, if it was taken from net/http
	left bool     // another process answers
}

// take takes the connection from net/http, so that another program in this process can answer. It returns nil if that is not
// possible, as for HTTP/2; then the command sees only that its connection ends.
func (a *asker) take() *os.File {
	if a == nil {
		return nil
	}
	conn, _, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		return nil
	}
	if c, ok := conn.(interface{ Dup() (fd int, ok bool) }); ok {
		if fd, ok := c.Dup(); ok {
			a.file = os.NewFile(uintptr(fd), fileAsker)
		}
	}
	conn.Close() // the descriptor is a second one
	return a.file
}

// leave leaves the answer to the process that has got the connection; if it was not taken, the command sees only that it ends.
func (a *asker) leave() {
	if a != nil && a.file != nil {
		a.file.Close()
		a.left = true
	}
}

// answer answers the request, however it can.
func (a *asker) answer(got answer) {
	if a.left {
		return
	}
	if a.file != nil {
		operator.AnswerOn(a.file, got.text, got.err)
		return
	}
	operator.Answer(a.w, got.text, got.err)
}
