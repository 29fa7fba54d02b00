package kit

import (
	"net"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMembers(t *testing.T) {
	var m Members[int]
	for i := range 5 {
		m.Add(i)
	}
	m.Add(3)
	before := m.Snapshot()
	m.Remove(0)
	m.Remove(4)
	m.Remove(0)
	got := slices.Sorted(slices.Values(m.Snapshot()))
	if !slices.Equal(got, []int{1, 2, 3}) || len(before) != 5 {
		t.Errorf("%v left of %v", got, before)
	}
}

// The bound on a stuck client rests on accepted sockets inheriting the listener's option.
func TestPatienceIsInherited(t *testing.T) {
	ln := ListenPatient()
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	raw, err := s.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || ms != int(Patience.Milliseconds()) {
			t.Errorf("%d ms, %v", ms, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
