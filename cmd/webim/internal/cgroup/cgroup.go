// Package cgroup finds the memory that this process may use: the limit of its container, and the memory of
// the machine.
package cgroup

import (
	"bufio"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// The memory limit of a container is the smallest limit of its control group and of the groups
// around that. The program finds the groups in /proc, because a process may have its own cgroup
// namespace, or use a version 1 hierarchy for memory beside a version 2 hierarchy.

// Limit returns the smallest memory limit, in bytes, of the control groups of this
// process, and the file that sets it; 0 if there is none. root is the root of the file system.
func Limit(root fs.FS) (limit int64, file string) {
	for _, h := range memoryHierarchies(root) {
		for dir := h.dir; ; dir = path.Dir(dir) {
			for _, name := range h.files {
				name = path.Join(dir, name)
				if n := readLimit(root, name); n > 0 && (limit == 0 || n < limit) {
					limit, file = n, "/"+name
				}
			}
			if dir == h.mount || len(dir) <= len(h.mount) {
				break
			}
		}
	}
	return limit, file
}

// A hierarchy is a mounted tree of control groups. Its paths have no leading slash, as package
// fs requires.
type hierarchy struct {
	mount string
	dir   string   // of this process's group: mount, or a directory below it
	files []string // names of the files with memory limits
}

// memoryHierarchies returns the hierarchies that can limit memory: version 2, and version 1
// with the memory controller.
func memoryHierarchies(root fs.FS) (all []hierarchy) {
	unified, memory := groupsOf(root)
	lines(root, "proc/self/mountinfo", func(line string) {
		// 36 35 98:0 /root /mount/point options optional... - type source superoptions
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 5 || len(right) < 3 {
			return
		}
		h := hierarchy{mount: strings.TrimPrefix(unescape(left[4]), "/")}
		group := unified
		switch {
		case right[0] == "cgroup2":
			h.files = []string{"memory.max", "memory.high"}
		case right[0] == "cgroup" && hasWord(right[2], "memory"):
			h.files = []string{"memory.limit_in_bytes"}
			group = memory
		default:
			return
		}
		if group == "" || h.mount == "" {
			return
		}
		h.dir = path.Join(h.mount, below(unescape(left[3]), group))
		all = append(all, h)
	})
	return all
}

// groupsOf returns this process's groups: in version 2, and in version 1 for memory.
func groupsOf(root fs.FS) (unified, memory string) {
	lines(root, "proc/self/cgroup", func(line string) {
		// 0::/path, or 4:memory,other:/path
		parts := strings.SplitN(line, ":", 3)
		switch {
		case len(parts) < 3:
		case parts[0] == "0" && parts[1] == "":
			unified = parts[2]
		case hasWord(parts[1], "memory"):
			memory = parts[2]
		}
	})
	return unified, memory
}

// below returns the path of a group below the root of a mount. If the group is not below that
// root, as when a container sees only the mount of its own group, below returns the mount
// itself.
func below(mountRoot, group string) string {
	if mountRoot == "/" {
		return path.Join("/", group)
	}
	if rest, ok := strings.CutPrefix(group, mountRoot); ok && (rest == "" || rest[0] == '/') {
		return path.Join("/", rest)
	}
	return "/"
}

// readLimit reads a limit; 0 means none. Without a limit, version 1 reports a number larger
// than the memory of any machine.
func readLimit(root fs.FS, name string) int64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n >= 1<<60 {
		return 0
	}
	return n
}

// Machine returns the memory of the machine in bytes; 0 if it cannot be read.
func Machine(root fs.FS) (bytes int64) {
	lines(root, "proc/meminfo", func(line string) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			bytes = n << 10
		}
	})
	return bytes
}

// lines calls f for each line of a file. If the file cannot be read, it does nothing.
func lines(root fs.FS, name string, f func(string)) {
	file, err := root.Open(name)
	if err != nil {
		return
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		f(s.Text())
	}
}

func hasWord(list, word string) bool { return strings.Contains(","+list+",", ","+word+",") }

// unescape decodes the octal escapes that mountinfo uses for white space and backslashes.
func unescape(name string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(name)
}
