package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"webim/netpoll/wstest"
)

// checkSockets checks that each connection to the first listener belongs to the process that serves, once, that the process
// watches exactly these, and that it has few other files. It waits for the kernel to forget clients that have just left.
func (m *moving) checkSockets(clients int) {
	m.t.Helper()
	wstest.Eventually(m.t, fmt.Sprintf("the server has %d connections", clients), func() bool { return len(m.connections()) == clients })
	all := m.connections()
	owned := map[string]int{} // by inode
	fds := map[string]string{}
	dir := "/proc/" + strconv.Itoa(m.pid) + "/fd/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range entries {
		target, _ := os.Readlink(dir + e.Name())
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			owned[strings.TrimSuffix(inode, "]")]++
			fds[e.Name()] = strings.TrimSuffix(inode, "]")
		}
	}
	for inode := range all {
		if owned[inode] != 1 {
			m.t.Errorf("the process that serves has the socket %s %d times", inode, owned[inode])
		}
	}
	watched := 0
	infos, _ := filepath.Glob("/proc/" + strconv.Itoa(m.pid) + "/fdinfo/*")
	for _, info := range infos {
		text, _ := os.ReadFile(info)
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "tfd:" && all[fds[fields[1]]] {
				watched++
			}
		}
	}
	if watched != clients {
		m.t.Errorf("epoll has %d of the %d clients", watched, clients)
	}
	if others := len(entries) - clients; others > fewFiles {
		m.t.Errorf("the process that serves has %d files besides those of the clients", others)
	}
}

// fewFiles is more than a process with one listener has open besides the sockets of its clients.
const fewFiles = 32

// connections returns the inodes of the sockets of the server's side.
func (m *moving) connections() map[string]bool {
	m.t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		m.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(m.addr)
	n, _ := strconv.Atoi(port)
	local := fmt.Sprintf("0100007F:%04X", n)
	all := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		const established = "01"
		if f := strings.Fields(line); len(f) > 9 && f[1] == local && f[3] == established {
			all[f[9]] = true
		}
	}
	return all
}
