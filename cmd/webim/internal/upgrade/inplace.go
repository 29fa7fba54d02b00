package upgrade

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Exec puts the new program into the place of this one, in the same process. It returns only if that has failed; then this program
// goes on as before. Before that, a process of the new program rehearses it.
func (o *Old) Exec(ctx context.Context) error {
	program, err := os.Stat(o.Binary)
	if err != nil {
		return fmt.Errorf("finding the new program: %w", err)
	}
	h, err := o.rehearse(ctx)
	if err == nil && o.Prepare != nil {
		err = o.Prepare(ctx)
	}
	if err != nil {
		return err
	}
	began := time.Now()
	if err = o.freeze(ctx); err == nil {
		err = o.become(ctx, program, h, began)
	}
	o.Thaw()
	return err
}

// rehearse gives everything but the descriptors of connections to a process of the new program, which ends when it has restored it.
func (o *Old) rehearse(ctx context.Context) (h Hello, err error) {
	c, err := o.start(envName+"=3", envRehearsal+"=1")
	if err != nil {
		return h, err
	}
	stop := context.AfterFunc(ctx, func() { c.cmd.Process.Kill() })
	defer stop()
	if h, err = o.hello(c); err == nil && !h.InPlace {
		err = errors.New("the new program cannot take the place of this one in the same process: it is too old")
	}
	if err != nil {
		return h, c.end(err)
	}
	state, err := newFile("state")
	if err != nil {
		return h, c.end(err)
	}
	defer state.Close()
	o.settle()
	var to *patient
	if err = o.freeze(ctx); err == nil {
		to = o.patient(c, state, h)
		err = o.tell(to, state, h)
	}
	if err == nil && o.Exclusive {
		err = o.rehearsed(c, to)
	}
	if err != nil {
		err = c.end(err)
	}
	o.Thaw()
	if err == nil && !o.Exclusive { // everybody is served meanwhile
		if err = o.rehearsed(c, to); err != nil {
			err = c.end(err)
		}
	}
	return h, err
}

// tell gives the process of a rehearsal everything but the descriptors of connections.
func (o *Old) tell(to *patient, state *os.File, h Hello) error {
	_, err := o.give(to, state, h, func(end int64, fds []int) error {
		return send(to, msgPart, binary.AppendUvarint(binary.AppendUvarint(nil, uint64(end)), uint64(len(fds))))
	})
	return err
}

// rehearsed waits until the process of a rehearsal has restored everything, and has ended.
func (o *Old) rehearsed(c *child, to *patient) error {
	_, err := expect(to, msgReady)
	c.conn.SetDeadline(time.Now().Add(cmp.Or(o.MoveTime, moveTime)))
	if err == nil {
		err = send(c.conn, msgEnd, nil)
	}
	if err != nil {
		return err
	}
	if msg, _, err := c.conn.Receive(); err == nil { // the end of the process comes instead
		return fmt.Errorf("upgrade: the message %q came after the rehearsal", msg[0])
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("the rehearsal has not ended well: %w", err)
	}
	return c.conn.Close()
}

// become gives everything to the new program, and replaces this one. Its file is still the one that has rehearsed it.
func (o *Old) become(ctx context.Context, program os.FileInfo, h Hello, began time.Time) error {
	state, err := newFile("state")
	if err != nil {
		return err
	}
	defer state.Close()
	to := &tape{}
	_, err = o.give(to, state, h, func(end int64, fds []int) error {
		return send(to, msgPart, binary.AppendUvarint(nil, uint64(end)), fds...)
	})
	if err == nil {
		err = o.Commit()
	}
	if err == nil {
		err = send(to, msgGo, binary.AppendVarint(nil, began.UnixNano()))
	}
	if err != nil {
		return err
	}
	messages, err := newFile("tape")
	if err != nil {
		return err
	}
	defer messages.Close()
	if _, err := messages.Write(to.b); err != nil {
		return fmt.Errorf("upgrade: writing the messages: %w", err)
	}
	now, err := os.Stat(o.Binary)
	switch {
	case err != nil:
		return fmt.Errorf("finding the new program: %w", err)
	case !os.SameFile(program, now) || !program.ModTime().Equal(now.ModTime()):
		return errors.New("the new program was replaced during the upgrade: try again")
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return o.exec(int(messages.Fd()), to.fds)
}

// exec replaces this program by the new one, with the descriptors that it gets. It returns only an error.
func (o *Old) exec(messages int, fds []int) error {
	syscall.ForkLock.Lock() // no other process gets them
	defer syscall.ForkLock.Unlock()
	fds = append(fds, messages)
	closeOnExec(nil) // a library may have left some open
	defer closeOnExec(fds)
	for _, fd := range fds {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return fmt.Errorf("upgrade: keeping the descriptor %d open: %w", fd, err)
		}
	}
	if o.Mute != nil {
		defer o.Mute()()
	}
	err := syscall.Exec(o.Binary, append([]string{os.Args[0]}, o.Args...), append(o.environ(), envName+"="+inPlace+strconv.Itoa(messages)))
	return fmt.Errorf("starting the new program: %w", err)
}
