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
		t.Errorf("members %v, snapshot before removal %v", got, before)
	}
}

// TestRooms checks that rooms are separate, are forgotten when the last member has left, and begin anew, and that leaving twice or late
// affects no other member.
func TestRooms(t *testing.T) {
	var rooms Rooms[int]
	a := rooms.Join("/a", 1)
	if b := rooms.Join("/b", 2); rooms.Join("/a", 3) != a || b == a {
		t.Fatal("rooms.Join did not return one room per path")
	}
	if got := slices.Sorted(slices.Values(a.Snapshot())); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("%v in /a", got)
	}
	a.Leave(1)
	a.Leave(1)
	a.Leave(3)
	again := rooms.Join("/a", 4)
	a.Leave(3) // this is the forgotten room
	if len(rooms.byPath) != 2 || rooms.byPath["/a"] != again || len(again.Snapshot()) != 1 || len(a.Snapshot()) != 0 {
		t.Errorf("%v, %v in /a", rooms.byPath, again.Snapshot())
	}
	again.Leave(4)
	if len(rooms.byPath) != 1 {
		t.Errorf("%v", rooms.byPath)
	}
}

// TestPatienceIsInherited checks that accepted sockets inherit the listener's option, on which the limit for stuck clients depends.
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
			t.Errorf("TCP_USER_TIMEOUT is %d ms, %v", ms, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestQueue(t *testing.T) {
	q := NewQueue[int]()
	if _, ok := q.Next(); ok {
		t.Error("an empty queue returned an item")
	}
	const size = 128
	n := 0
	for q.Put(n, size) {
		n++
	}
	if n != MaxQueue/size {
		t.Errorf("%d messages of %d bytes fit, want %d", n, size, MaxQueue/size)
	}
	<-q.Ready()
	for i := range n {
		if got, ok := q.Next(); !ok || got != i {
			t.Fatalf("Next returned %d, %v, want %d", got, ok, i)
		}
	}
	if _, ok := q.Next(); ok || q.waiting != nil || q.bytes != 0 {
		t.Errorf("the queue is not empty: %v, %d bytes", q.waiting, q.bytes)
	}
	q.Put(7, MaxQueue)
	<-q.Ready()
	if got, ok := q.Next(); !ok || got != 7 {
		t.Error(got, ok)
	}
}
