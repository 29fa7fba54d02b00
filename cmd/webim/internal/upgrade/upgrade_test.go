package upgrade

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"webim/netpoll/snapshot"
	"webim/netpoll/wstest"
)

// The tests run three processes: the test itself, the old process and the new one, which is started by the old one. Each of
// the latter may die or stop at a step. Whichever says "owns" to the test has the sockets.
const (
	roleEnv = "WEBIM_UPGRADE_TEST" // old: the old process; old in place: one that another program replaces
	dieEnv  = "WEBIM_UPGRADE_DIE"  // "old STEP", "new STEP", see inplace_test.go for more; and the same with "hang " before it
)

func TestMain(m *testing.M) {
	n, err := Inherit()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case n != nil:
		os.Exit(newProcess(n))
	case os.Getenv(roleEnv) == "old":
		os.Exit(oldProcess(false))
	case os.Getenv(roleEnv) == "old in place":
		os.Exit(oldProcess(true))
	}
	wstest.Main(m)
}

// slowCommit is the value of dieEnv if nothing dies, and the last check of the old process takes a while.
const slowCommit = "old is slow"

// hang begins the value of dieEnv if a process is stopped and not killed.
const hang = "hang "

// dieAt ends or stops this process at a step, if the test wants that. The step does not return then: the kernel may give the
// signal to another thread first, and this one would go on for a while.
func dieAt(who string) func(string) {
	return func(step string) {
		sig := unix.SIGKILL
		switch os.Getenv(dieEnv) {
		case who + " " + step:
		case hang + who + " " + step:
			sig = unix.SIGSTOP
		default:
			return
		}
		unix.Kill(os.Getpid(), sig)
		for {
			time.Sleep(time.Hour)
		}
	}
}

const parts = 3

// oldProcess has a pipe to the test as its file 3, and a few descriptors that it passes on.
func oldProcess(inPlace bool) int {
	report := os.NewFile(3, "report")
	unix.CloseOnExec(3)
	var fds []int
	for range parts {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return 2
		}
		fds = append(fds, fd)
	}
	if _, err := unix.Eventfd(0, 0); err != nil { // a stray, as a library may leave one
		return 2
	}
	s := &side{name: "old", report: report, fds: fds}
	o := s.old()
	os.Setenv(pidEnv, strconv.Itoa(os.Getpid()))
	o.Env = os.Environ()
	if inPlace {
		return s.execute(o)
	}
	v, err := o.Spawn(context.Background())
	return s.tell(v, err)
}

// A side has everything that a process gives to another one.
type side struct {
	name                   string
	report                 *os.File
	fds                    []int
	frozen, released, lent bool
}

// old returns the functions of an old process.
func (s *side) old() *Old {
	o := &Old{
		Binary: os.Args[0], Args: []string{"new"},
		Lend: func(pass func(ids []byte, fds []int) error) error {
			s.lent = true
			for i := range s.fds {
				if err := pass([]byte{byte('a' + i)}, s.fds[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		},
		TakeBack: func() { s.lent = false },
		Freeze:   func(context.Context) error { s.frozen = true; return nil },
		Thaw: func() {
			if !s.frozen || s.released {
				fmt.Fprintln(s.report, "thawed at a wrong time")
			}
			s.frozen, s.lent = false, false
		},
		Files: func() []File { return []File{{"report", int(s.report.Fd())}, {"other", 1}} },
		Write: func(w *Writer, version uint64) error {
			if err := w.Frame(Hub, []byte("rooms")); err != nil {
				return err
			}
			for i := range s.fds {
				if err := w.Conns(fmt.Append(nil, "conns ", i), s.fds[i:i+1]); err != nil {
					return err
				}
			}
			w.SetMoved(len(s.fds))
			return w.Frame(Stayed, nil)
		},
		Commit:  func() error { return nil },
		Release: func() { s.released = true },

		StartTime: wstest.Patience, MoveTime: wstest.Patience,
		step: dieAt(s.name),
	}
	switch die := os.Getenv(dieEnv); {
	case die == slowCommit:
		o.Commit = func() error {
			time.Sleep(stallTime / 2) // longer than a look at the new process
			return nil
		}
	case die == hang+"new hello", die == hang+"new borrow", die == hang+"placed hello":
		o.StartTime = 2 * time.Second
	case die == hang+"new wait": // then it has restored everything
		o.MoveTime = 500 * time.Millisecond
	case strings.HasPrefix(die, hang):
		o.StallTime = 500 * time.Millisecond
	}
	return o
}

// tell tells the test who owns the sockets.
func (s *side) tell(v Verdict, err error) int {
	var lost *LostError
	switch {
	case err == nil && s.released:
		fmt.Fprintf(s.report, "%s moved %d\n", s.name, v.Conns)
	case errors.As(err, &lost) && s.released:
		fmt.Fprintln(s.report, "lost:", err)
	case err != nil && !s.released && !s.frozen && !s.lent:
		fmt.Fprintln(s.report, s.name, "owns:", err)
	default:
		fmt.Fprintln(s.report, "wrong end", err, s.frozen, s.released, s.lent)
	}
	return 0
}

// newProcess takes over, and tells the test.
func newProcess(n *New) int {
	n.step = dieAt("new")
	if n.InPlace() {
		n.step = dieAt("placed")
	}
	if os.Getenv(dieEnv) == "new refuses" {
		n.Fail(errors.New("the settings are wrong"))
		return 1
	}
	var e snapshot.Encoder
	switch os.Getenv(dieEnv) {
	case "too old":
		(&Hello{Oldest: snapshot.Oldest, Newest: snapshot.Version}).append(&e)
		_ = send(n.conn, msgHello, e.B)
	case "other version":
		(&Hello{Oldest: snapshot.Version + 1, Newest: snapshot.Version + 2, StandsIn: true}).append(&e)
		_ = send(n.conn, msgHello, e.B)
	}
	var lent strings.Builder
	err := n.Hello("test", 100, func(ids []byte, fds []int) error {
		fmt.Fprintf(&lent, " %s %d", ids, len(fds))
		closeAll(fds)
		if os.Getenv(dieEnv) == "new cannot borrow" {
			return errors.New("no more files")
		}
		return nil
	}, func() { lent.WriteString(" all") })
	if err != nil && os.Getenv(dieEnv) == "new cannot borrow" {
		n.Fail(err)
		return 1
	}
	if os.Getenv(dieEnv) == "new refuses late" { // while the old process sends
		n.Fail(errors.New("the state is wrong"))
		return 1
	}
	fd, ok := n.File("report")
	if err != nil || !ok {
		return 1
	}
	report := os.NewFile(uintptr(fd), "report")
	var got []string
	var all []int
	for kind := Kind(0); kind != Ending; {
		var payload []byte
		var fds []int
		if kind, payload, fds, err = n.Next(); err != nil {
			return 1
		}
		got = append(got, fmt.Sprintf("%d %s %d", kind, payload, len(fds)))
		all = append(all, fds...)
	}
	if n.Ready() != nil {
		return 1
	}
	n.Done("")
	if n.StandsIn() {
		s := &side{name: "stand-in", report: report, fds: all}
		v, err := s.old().HandBack(n)
		return s.tell(v, err)
	}
	if n.InPlace() {
		fmt.Fprintln(report, placed(n))
	}
	fmt.Fprintln(report, "new owns:", strings.Join(got, ", "), "and", strays(), "strays, lent:"+lent.String())
	return 0
}

// strays counts the descriptors that this process has inherited and not closed.
func strays() (n int) {
	dir, _ := os.ReadDir("/proc/self/fd")
	for _, e := range dir {
		var fd int
		fmt.Sscan(e.Name(), &fd)
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); fd > 2 && err == nil && flags&unix.FD_CLOEXEC == 0 {
			n++
		}
	}
	return n
}

// run runs an upgrade in which a process ends at a step, and returns what the processes have reported. They are a process
// group of their own: when the old process has ended, one that hangs is killed, too, since it would keep the pipe open.
func run(t *testing.T, role, die string) []string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, dieEnv+"="+die)
	cmd.ExtraFiles, cmd.Stderr = []*os.File{w}, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	kill := func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	ended := make(chan bool)
	go func() {
		defer close(ended)
		cmd.Wait()                                                                  // it may have been killed
		if strings.HasPrefix(die, hang) && !strings.HasPrefix(die, hang+"placed") { // the stand-in kills that
			kill()
		}
	}()
	r.SetDeadline(time.Now().Add(3 * wstest.Patience))
	in := bufio.NewScanner(r)
	var lines []string
	for in.Scan() {
		lines = append(lines, in.Text())
	}
	if in.Err() != nil {
		lines = append(lines, in.Err().Error())
		kill()
	}
	<-ended
	slices.Sort(lines)
	return lines
}

const (
	everything = "new owns: 3 rooms 0, 5 conns 0 1, 5 conns 1 1, 5 conns 2 1, 6  0, 7  0 and 0 strays, lent:"
	allLent    = everything + " a 1 b 1 c 1 all"
	hasEnded   = "old owns: the new process has ended: its log says why"
	isLate     = "old owns: the new process was not ready in time"
	hangs      = "old owns: the new process hangs"
)

// otherVersion is the report of an old process whose state the new one does not know.
var otherVersion = fmt.Sprintf("old owns%%s: it reads the versions %d to %d of the state, and this process writes %d to %d", snapshot.Version+1, snapshot.Version+2, snapshot.Oldest, snapshot.Version)

// TestSteps checks that exactly one process owns the sockets, at whichever step one of them dies or hangs.
func TestSteps(t *testing.T) {
	cases := map[string][]string{
		"":              {"old moved 3", allLent},
		slowCommit:      {"old moved 3", allLent},
		"new refuses":   {"old owns: the settings are wrong"},
		"other version": {fmt.Sprintf(otherVersion, "")},

		"new cannot borrow": {"old owns: no more files"},

		"new refuses late": {"old owns: the state is wrong"},
		"new go":           {"lost: the new process has failed after it had taken over: the new process has ended: its log says why"},
		"old ready":        {allLent},
		"old go":           {allLent},
		"old gone":         {allLent},
		"hang new hello":   {isLate},
		"hang new borrow":  {isLate},
		"hang new files":   {hangs},
		"hang new part":    {hangs},
		"hang new ready":   {hangs},
	}
	for _, step := range []string{"hello", "borrow", "files", "part", "ready", "wait"} {
		cases["new "+step] = []string{hasEnded}
	}
	for _, step := range []string{"hello", "lent", "kept", "frozen", "files", "part"} {
		cases["old "+step] = nil // both have ended: nobody has the sockets, as after any crash
	}
	for die, want := range cases {
		t.Run(strings.ReplaceAll(die, " ", "_"), func(t *testing.T) {
			t.Parallel()
			got := run(t, "old", die)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%q; want %q", got, want)
			}
		})
	}
}

// TestStream checks that a damaged state is an error, at whichever byte, and that half of one is no end.
func TestStream(t *testing.T) {
	file, err := newFile("state")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := &Writer{file: file, part: func(int64, []int) error { return nil }}
	for _, err := range []error{w.Frame(Begin, []byte{1}), w.Conns([]byte("conns"), []int{1, 2}), w.finish()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	whole := make([]byte, w.end)
	if _, err := file.ReadAt(whole, 0); err != nil {
		t.Fatal(err)
	}
	read := func(b []byte) (frames int, err error) {
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		r := &reader{file: file, end: int64(len(b)), fds: 2}
		for {
			kind, _, err := r.next()
			if err != nil || kind == Ending {
				return frames, err
			}
			frames++
		}
	}
	if n, err := read(whole); n != 2 || err != nil {
		t.Errorf("%d frames, %v", n, err)
	}
	for i := range whole {
		if _, err := read(whole[:i]); err == nil {
			t.Errorf("the first %d bytes of %d are a whole state", i, len(whole))
		}
		bad := bytes.Clone(whole)
		bad[i] ^= 0x80
		_, err := read(bad) // never a panic; a change within a payload is not noticed here
		if i == len(whole)-1 && err == nil {
			t.Error("a wrong count was not noticed")
		}
	}
	if _, err := read(nil); err != io.EOF {
		t.Errorf("nothing: %v", err)
	}
}

// TestInherit checks that only a descriptor of the old process is taken.
func TestInherit(t *testing.T) {
	for _, text := range []string{"x", "2", "-1"} {
		t.Setenv(envName, text)
		if n, err := Inherit(); n != nil || err == nil || !strings.Contains(err.Error(), envName) {
			t.Errorf("%s: %v, %v", text, n, err)
		}
	}
	t.Setenv(envName, "")
	if n, err := Inherit(); n != nil || err != nil {
		t.Errorf("%v, %v", n, err)
	}
}
